"""Commands that take long, and say so while they do."""

from __future__ import annotations

import threading
import time

from pyinfra.api import FunctionCommand, Host, State, StringCommand

SAY_EVERY = 20


def watched(command: StringCommand, what: str) -> FunctionCommand:
    """A command of an operation whose output is shown as it comes.

    Args:
        command: prints no secrets.
        what: for people; said again, with the time it has taken, while it runs.
    """

    def run(state: State, host: Host) -> bool:
        del state
        return watch(host, command, what)

    return FunctionCommand(run, (), {})


def watch(host: Host, command: StringCommand, what: str) -> bool:
    """Run a command now and show its output as it comes (pyinfra itself shows it at ``-vvv`` only).

    Args:
        host: where it runs.
        command: prints no secrets.
        what: for people; said again, with the time it has taken, while it runs.

    Returns:
        Whether it succeeded.
    """
    over = threading.Event()
    begun = time.monotonic()

    def say() -> None:
        while not over.wait(SAY_EVERY):
            host.log(f"{what}, {time.monotonic() - begun:.0f} s")

    threading.Thread(target=say, daemon=True).start()
    try:
        done, _ = host.run_shell_command(command, print_output=True, print_input=False)
    finally:
        over.set()
    return done
