"""Stand-in of ``cmd.exe``: ``/d /u /c echo %USERPROFILE%``, the one thing that the deploy asks of it.

Sources: the documentation of ``cmd``: ``/u`` makes the output of its own commands Unicode (UTF-16LE), without
it they write the code page of the machine; ``/d`` keeps AutoRun commands out. A working directory that is on
no drive of Windows draws a complaint (reports of users who start it from a folder of Linux); that it goes to
standard error is inferred.
"""

from __future__ import annotations

import sys
from pathlib import Path

from standins import state
from standins.console import Console


def main(arguments: list[str]) -> int:
    """Run ``cmd.exe`` with these arguments; returns the exit code."""
    machine = state.read()
    console = Console(machine["locale"])
    options = [argument.lower() for argument in arguments if argument.startswith("/")]
    words = arguments[len(options) :]
    code = 0
    if not Path.cwd().is_relative_to(state.DRIVE):
        console.complain(console.text("no folder of Windows"))
    if options[-1:] != ["/c"] or words[:1] != ["echo"]:
        code = 1
    else:
        said = " ".join(words[1:]).replace("%USERPROFILE%", machine["profile"])
        if "/u" in options:
            sys.stdout.buffer.write(f"{said}\r\n".encode("utf-16-le"))
        else:
            console.say(said)
    state.log_call("cmd.exe", arguments, code=code, write=False)
    return code
