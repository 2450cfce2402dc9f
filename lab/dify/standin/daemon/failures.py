"""How the daemon's operations fail, and how that travels (source: ``api/core/plugin/impl/base.py``)."""

from __future__ import annotations


class DaemonError(Exception):
    """The daemon refused.

    Args:
        kind: the daemon's name for it; the api looks at it to choose its own answer.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


BAD_REQUEST = "PluginDaemonBadRequestError"
INTERNAL = "PluginDaemonInternalServerError"
VALIDATION = "CredentialsValidateFailedError"
INVOKE = "InvokeError"
NOT_FOUND = "PluginNotFoundError"


class DaemonUnreachableError(Exception):
    """Nothing answers at the daemon's address, or it does not accept our key.

    Args:
        path: what was asked for, part of the real one's message.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"Failed to request plugin daemon, url: {path}")
