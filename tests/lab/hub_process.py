"""A running model hub, as tests steer and question it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
MODEL = "Owner/Some-Model-0.6B"
WEIGHTS = "model.safetensors"
WEIGHTS_SIZE = 3_000_000


class Hub:
    """The running hub, as tests steer it.

    Attributes:
        endpoint: its URL.
        folder: what it serves as `MODEL`.
    """

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder

    def _ask(self, method: str, path: str, value: Any = None) -> Any:
        return httpx.request(method, self.endpoint + path, json=value, timeout=10).raise_for_status().json()

    def break_file(self, kind: str, file: str | None = WEIGHTS, times: int | None = None) -> None:
        fault = {"model": MODEL, "file": file, "kind": kind, "times": times}
        self._ask("POST", "/lab/faults", [fault])

    def repair(self) -> None:
        self._ask("POST", "/lab/faults", [])

    def forget(self) -> None:
        self._ask("DELETE", "/lab/requests")

    def requests(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "/lab/requests")["requests"])

    def file_bytes(self, file: str = WEIGHTS) -> int:
        """Bytes of a file's content that left the hub."""
        return int(self._ask("GET", "/lab/requests")["files"][MODEL][file]["bytes"])

    def contents(self) -> dict[str, bytes]:
        return contents(self.folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
