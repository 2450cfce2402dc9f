"""What the hub is told to do wrong."""

from __future__ import annotations

import threading
from typing import Any

KINDS = ("cut", "corrupt", "pause", "stall", "404", "500")


class Faults:
    """What is to go wrong, and how often still."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []

    def replace(self, faults: list[dict[str, Any]]) -> None:
        """Forget the old faults and take these; raises ``ValueError`` for one that makes no sense."""
        for fault in faults:
            unknown = set(fault) - {"model", "file", "kind", "times"}
            if unknown or "model" not in fault or fault.get("kind") not in KINDS:
                raise ValueError(f"not a fault: {fault}; kinds are {', '.join(KINDS)}")
        with self._lock:
            self._faults = [dict(fault) for fault in faults]

    def strike(self, model: str, file: str | None) -> str | None:
        """The kind of fault that this request meets, if any; one with ``times`` is used up by it."""
        with self._lock:
            for fault in self._faults:
                if (fault["model"], fault.get("file")) == (model, file) and fault.get("times") != 0:
                    if fault.get("times") is not None:
                        fault["times"] -= 1
                    return str(fault["kind"])
        return None
