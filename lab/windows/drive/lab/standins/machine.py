"""The virtual machine of WSL, as far as programs of Windows switch it.

The lab's WSL host looks at one file: while that is there, and no task holds a distribution, it is off. Making
the file halts a running one.
"""

from __future__ import annotations

from standins import state

_SWITCHED_OFF = state.DRIVE / "lab/wsl-off"


def shut_down() -> None:
    """What ``wsl --shutdown`` does: every distribution ends, and the machine that they share."""
    _SWITCHED_OFF.touch()


def start() -> None:
    """What every start of a program in a distribution does first, if the machine is off."""
    _SWITCHED_OFF.unlink(missing_ok=True)
