"""Waiting for plugins that the plugin daemon, after a start of its own, launches in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from provision.dify.errors import DifyError
from provision.dify.transport import Transport

T = TypeVar("T")

# How the daemon says that a plugin does not run (yet).
_MISSING = ("no available node", "plugin runtime not found")
_PAUSE = 5.0
_PATIENCE = 180.0


def is_missing(error: DifyError) -> bool:
    """Whether something failed for want of a running plugin; it changed nothing."""
    return any(text in error.problem for text in _MISSING)


def when_running(
    transport: Transport,
    attempt: Callable[[], T],
    *,
    starting: Callable[[DifyError], bool] = is_missing,
    patience: float = _PATIENCE,
) -> T:
    """Repeat an attempt until the plugin that it needs runs.

    Args:
        starting: whether a failure looks like a plugin that is being started.
        patience: seconds.

    Raises:
        DifyError: another failure, or this one after all that time.
    """
    deadline = transport.clock() + patience
    while True:
        try:
            return attempt()
        except DifyError as error:
            if not starting(error) or transport.clock() >= deadline:
                raise
        transport.sleep(_PAUSE)
