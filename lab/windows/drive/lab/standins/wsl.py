"""Stand-in of ``wsl.exe``: ``--shutdown``.

Source: documentation of WSL, "basic commands": it ends all distributions and the virtual machine, at once.
"""

from __future__ import annotations

import subprocess

from standins import state

STOPPED_HOOK = state.DRIVE / "lab/hooks/wsl-stopped"


def main(arguments: list[str]) -> int:
    """Run ``wsl.exe`` with these arguments; returns the exit code."""
    code = 0 if arguments == ["--shutdown"] else 1
    state.log_call("wsl.exe", arguments, code=code, write=code == 0)
    if code == 0:
        subprocess.call([STOPPED_HOOK], stdin=subprocess.DEVNULL)
    return code
