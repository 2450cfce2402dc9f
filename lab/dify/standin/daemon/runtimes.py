"""Whether plugins run: a daemon that has started launches them in the background."""

from __future__ import annotations

import time

from .failures import INTERNAL, DaemonError

# Source: dify-plugin-daemon ``internal/server/middleware.go`` (0.0.9 to 0.6.10), with ``generic.go``.
NO_NODE = "no available node, plugin runtime not found"


class Runtimes:
    """All plugins' processes.

    Args:
        seconds: from the daemon's start on, until they run.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._up_at = time.monotonic() + seconds

    def demand(self) -> None:
        """Raises:
        DaemonError: they do not run yet; whatever needs one fails.
        """
        if time.monotonic() < self._up_at:
            raise DaemonError(INTERNAL, NO_NODE)
