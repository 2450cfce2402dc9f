"""Stand-in of ``schtasks.exe``: ``/query /tn NAME`` and ``/run /tn NAME``.

Sources: options from the documentation of ``schtasks``; texts and the table's layout from captured outputs;
that ``/run`` returns as soon as the task was told to start, whatever becomes of it, from reports of users
whom its SUCCESS misled. Rights are not modelled: every task here may be started by everybody.
"""

from __future__ import annotations

import os
import subprocess

from standins import command_line, state
from standins.console import Console


def main(arguments: list[str]) -> int:
    """Run ``schtasks.exe`` with these arguments; returns the exit code."""
    machine = state.read()
    console = Console(machine["locale"])
    match [argument.lower() for argument in arguments]:
        case ["/query" | "/run" as verb, "/tn", _]:
            code = _act(machine, console, verb, arguments[2])
        case _:
            console.complain(console.text("schtasks syntax"))
            code = 1
    state.log_call("schtasks.exe", arguments, code=code, write=False)
    return code


def _act(machine: state.State, console: Console, verb: str, name: str) -> int:
    tasks = {known.lower(): task for known, task in machine["tasks"].items()}
    task = tasks.get(name.lstrip("\\").lower())
    if task is None:
        console.complain(console.text("no such task"))
        return 1
    if verb == "/run":
        _start(task)
        console.say(console.text("task started", name))
        return 0
    console.say("", console.text("folder"), console.text("tasks heading"))
    console.say("======================================== ====================== ===============")
    console.say(f"{name:<40.40} {'N/A':<22} {console.text('ready'):<15}")
    return 0


def _start(task: state.Task) -> None:
    """Start a task's action in the background, with the rights that it was registered with."""
    program, *arguments = task["action"]
    rights = {state.ELEVATED: "1" if task["elevated"] else "0"}
    environment = command_line.handed({**os.environ, **rights}, subprocess.list2cmdline(arguments))
    subprocess.Popen(
        [state.DRIVE / program, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
