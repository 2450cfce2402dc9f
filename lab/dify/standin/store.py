"""Where state lives: small JSON documents by kind and id, in memory here, in PostgreSQL in `postgres`."""

from __future__ import annotations

import copy
import threading
from typing import Any, Protocol

Document = dict[str, Any]


class Store(Protocol):
    """Documents by kind and id. Answers are copies: a change counts only once it is put back."""

    def get(self, kind: str, key: str) -> Document | None: ...

    def put(self, kind: str, key: str, document: Document) -> None: ...

    def delete(self, kind: str, key: str) -> None: ...

    def all(self, kind: str) -> list[Document]:
        """Every document of a kind, in the order in which they were first put."""


class MemoryStore:
    """A store that ends with the process."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Document]] = {}
        self._lock = threading.Lock()

    def get(self, kind: str, key: str) -> Document | None:
        with self._lock:
            return copy.deepcopy(self._kinds.get(kind, {}).get(key))

    def put(self, kind: str, key: str, document: Document) -> None:
        with self._lock:
            self._kinds.setdefault(kind, {})[key] = copy.deepcopy(document)

    def delete(self, kind: str, key: str) -> None:
        with self._lock:
            self._kinds.get(kind, {}).pop(key, None)

    def all(self, kind: str) -> list[Document]:
        with self._lock:
            return copy.deepcopy(list(self._kinds.get(kind, {}).values()))
