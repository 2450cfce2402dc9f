"""A plugin daemon of the stand-in that has just started."""

from __future__ import annotations

from lab.dify.standin.daemon.failures import INTERNAL, DaemonError
from lab.dify.standin.daemon.runtimes import NO_NODE, Runtimes


class Starting(Runtimes):
    """Plugins that run once something has asked for one often enough; as late as a test needs them."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self._refusals = refusals

    def demand(self) -> None:
        if self._refusals:
            self._refusals -= 1
            raise DaemonError(INTERNAL, NO_NODE)
