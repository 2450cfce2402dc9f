"""Stand-in of ``netstat.exe -ano -p TCP``: listeners only.

Sources: columns from captured English outputs. Inferred: the Chinese ones differ in titles only; IP Helper
listens for every port proxy rule, unless somebody else listens there already.
"""

from __future__ import annotations

from standins import state
from standins.console import Console


def main(arguments: list[str]) -> int:
    """Run ``netstat.exe`` with these arguments; returns the exit code."""
    machine = state.read()
    console = Console(machine["locale"])
    lowered = [argument.lower() for argument in arguments]
    if lowered != ["-ano", "-p", "tcp"]:
        console.say("", console.text("netstat syntax"))
        state.log_call("netstat.exe", arguments, code=1, write=False)
        return 1
    console.say("", console.text("connections"), "", console.text("connections heading"))
    for address, port, pid in state.listeners(machine):
        console.say(f"  TCP    {f'{address}:{port}':<22} {'0.0.0.0:0':<22} LISTENING       {pid}")
    console.say("  TCP    [::]:135               [::]:0                 LISTENING       1048")
    console.say("  TCP    10.91.0.15:50123       10.91.0.1:443          ESTABLISHED     7604")
    state.log_call("netstat.exe", arguments, code=0, write=False)
    return 0
