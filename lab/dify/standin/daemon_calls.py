"""How the daemon's refusals reach the console's clients (recording "upload…", "daemon down…")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .daemon.failures import BAD_REQUEST, VALIDATION, DaemonError, DaemonUnreachableError
from .errors import DaemonGoneError, PluginError, invalid_param, unknown_failure


@contextmanager
def management() -> Iterator[None]:
    """Managing plugins: complaints are 400, an unreachable daemon too, anything else is 500."""
    try:
        yield
    except DaemonUnreachableError as error:
        raise DaemonGoneError(str(error)) from error
    except DaemonError as failure:
        if failure.kind == BAD_REQUEST:
            raise PluginError(failure.message) from failure
        raise unknown_failure() from failure


@contextmanager
def validation() -> Iterator[None]:
    """Checking credentials: the plugin's text as 400; an unreachable daemon is 500."""
    try:
        yield
    except DaemonUnreachableError as error:
        raise unknown_failure() from error
    except DaemonError as failure:
        if failure.kind == VALIDATION:
            raise invalid_param(failure.message) from failure
        raise unknown_failure() from failure
