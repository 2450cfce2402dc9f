"""Stand-in of ``tasklist.exe /svc /fo csv /nh``.

Sources: options from the documentation of ``tasklist``; rows from public test data ("svchost.exe","6588",
"Dhcp,Dnscache"; "N/A" where a process holds no service). Inferred: what "N/A" is in Chinese.
"""

from __future__ import annotations

from standins import state
from standins.console import Console


def main(arguments: list[str]) -> int:
    """Run ``tasklist.exe`` with these arguments; returns the exit code."""
    machine = state.read()
    console = Console(machine["locale"])
    code = 0
    if [argument.lower() for argument in arguments] == ["/svc", "/fo", "csv", "/nh"]:
        for pid, (name, *services) in machine["processes"].items():
            console.say(f'"{name}","{pid}","{",".join(services) or console.text("no services")}"')
    else:
        console.complain(console.text("tasklist syntax"))
        code = 1
    state.log_call("tasklist.exe", arguments, code=code, write=False)
    return code
