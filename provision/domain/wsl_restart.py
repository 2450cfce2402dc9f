"""Whether WSL has to be restarted, and whether that would help."""

from __future__ import annotations

from enum import Enum


class Noted(Enum):
    """What is noted in the distribution of a restart that WSL needs."""

    NEVER = "never"
    DUE = "due"
    DONE = "done"


class Restart(Enum):
    """What there is to do."""

    NEEDLESS = "WSL runs with its settings"
    NOW = "it is allowed"
    WAITS = "all but the settings of WSL works without"
    MISSED = "nothing of ours would come back without"
    IN_VAIN = "there was one, and it has not helped"


def restart(*, systemd: bool, noted: Noted, allowed: bool) -> Restart:
    """Decide by what is there, so that no run restarts WSL a second time for the same cause.

    Args:
        systemd: it runs in the distribution.
        noted: as found there; who restarts WSL, or misses that, has it noted as due.
        allowed: this run may restart WSL, and goes on afterwards.
    """
    if not systemd and noted is Noted.DONE:
        return Restart.IN_VAIN
    if systemd and noted is not Noted.DUE:
        return Restart.NEEDLESS
    if allowed:
        return Restart.NOW
    return Restart.WAITS if systemd else Restart.MISSED
