"""Folders as the repositories of a model hub."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

MASTER = "master"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
COMMITTED_AT = 1_746_000_000
LARGE_FILES = (".safetensors", ".bin", ".onnx", ".model")
"""What the hub keeps in large-file storage, by the usual ``.gitattributes`` of a model's repository."""


@cache
def _sha256(path: Path, _modified_ns: int, _size: int) -> str:
    """A file's hash, computed once as long as the file's time and size stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Repository:
    """One model at one commit: a folder seen as the hub sees a repository.

    Args:
        commit: what the files are said to be of.
    """

    def __init__(self, folder: Path, commit: str) -> None:
        self._folder = folder.resolve(strict=True)
        self.commit = commit

    def find(self, name: str) -> Path | None:
        """The file of that name; ``None`` when there is none, or when the name leads out of the folder."""
        path = (self._folder / name).resolve()
        return path if path.is_file() and path.is_relative_to(self._folder) else None

    def listing(self, root: str, recursive: bool) -> list[dict[str, Any]]:
        """The entries below ``root`` (``""`` for the top), folders included, as the hub describes them."""
        top = self._folder / root
        return [self._entry(path) for path in sorted(top.rglob("*") if recursive else top.glob("*"))]

    def _entry(self, path: Path) -> dict[str, Any]:
        state, is_file = path.stat(), path.is_file()
        return {
            "Name": path.name,
            "Path": path.relative_to(self._folder).as_posix(),
            "Type": "blob" if is_file else "tree",
            "Size": state.st_size if is_file else 0,
            "Sha256": _sha256(path, state.st_mtime_ns, state.st_size) if is_file else "",
            "IsLFS": path.suffix in LARGE_FILES,
            "Mode": "33188" if is_file else "16384",
            "Revision": self.commit,
            "CommitId": self.commit,
            "CommitMessage": "upload",
            "CommittedDate": COMMITTED_AT,
            "CommitterName": "lab",
            "InCheck": False,
        }
