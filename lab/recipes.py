"""Cached results, named after the hash of what made them, so that a changed recipe is never served stale."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import paths


def digest(*ingredients: str | bytes | Path) -> str:
    """Twelve hex digits over texts, files and whole folders (names, contents and executable bits).

    Raises:
        FileNotFoundError: an ingredient is a path that does not exist.
    """
    total = hashlib.sha256()
    for ingredient in ingredients:
        if isinstance(ingredient, Path):
            for file in _files(ingredient):
                executable = bool(file.stat().st_mode & 0o100)
                _add(total, f"{file.relative_to(ingredient.parent)} {executable}".encode())
                _add(total, file.read_bytes())
        else:
            _add(total, ingredient.encode() if isinstance(ingredient, str) else ingredient)
    return total.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)


def _add(total: hashlib._Hash, part: bytes) -> None:
    # The length in front keeps ("ab", "c") and ("a", "bc") apart.
    total.update(len(part).to_bytes(8, "big") + part)


def scratch(target: Path) -> Path:
    """An empty folder beside a result in the making, to be renamed to it once it is whole."""
    folder = target.with_name(f"unfinished-{target.name}")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Keep other processes from making the same thing at the same time."""
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    with (paths.CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
