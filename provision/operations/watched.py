"""Commands that take long, and say so while they do."""

from __future__ import annotations

import threading
import time

from pyinfra.api import FunctionCommand, Host, State, StringCommand

SAY_EVERY = 20


def watched(command: StringCommand, what: str) -> FunctionCommand:
    """A command whose output is shown as it comes (pyinfra itself shows it at ``-vvv`` only).

    Args:
        command: prints no secrets.
        what: for people; said again, with the time it has taken, while it runs.
    """

    def run(state: State, host: Host) -> bool:
        del state
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

    return FunctionCommand(run, (), {})
