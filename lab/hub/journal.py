"""What the hub was asked, for tests to count."""

from __future__ import annotations

import json
import threading
from typing import Any


class Journal:
    """The requests that arrived, and the bytes of files that left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Start again from nothing."""
        with self._lock:
            self._requests: list[dict[str, Any]] = []
            self._files: dict[str, dict[str, dict[str, int]]] = {}

    def note(self, request: dict[str, Any], model: str | None = None, file: str | None = None) -> None:
        """Add one request; ``model`` and ``file`` when it was for a file's content."""
        with self._lock:
            self._requests.append(request)
            if model and file:
                count = self._files.setdefault(model, {}).setdefault(file, {"requests": 0, "bytes": 0})
                count["requests"] += 1
                count["bytes"] += request["bytes"]

    def report(self) -> str:
        """Everything noted, as JSON."""
        with self._lock:
            return json.dumps({"requests": self._requests, "files": self._files})
