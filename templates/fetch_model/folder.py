"""A model's folder: what it holds, and whether that is what it should be."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

MANIFEST = ".manifest.json"
# Marks a staging folder as ours, since whatever the listing does not name is deleted from it in the end.
STAGING_MARK = ".staging"
OWN_FILES = (MANIFEST, STAGING_MARK)


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: path inside the repository, size in bytes, SHA-256 in lower-case hex."""

    path: str
    size: int
    sha256: str


def differences(folder: Path, files: Iterable[ModelFile], *, hashes: bool) -> dict[str, str]:
    """What is wrong with the files of a folder: path → how it differs; empty when nothing is.

    Args:
        hashes: compare contents too, and not only sizes.
    """
    wrong: dict[str, str] = {}
    for file in files:
        path = folder / file.path
        if not path.is_file():
            wrong[file.path] = "missing"
        elif (size := path.stat().st_size) != file.size:
            wrong[file.path] = f"{size} bytes instead of {file.size}"
        elif hashes and (actual := sha256(path)) != file.sha256:
            wrong[file.path] = f"SHA-256 {actual[:12]}… instead of {file.sha256[:12]}…"
    return wrong


def sha256(path: Path) -> str:
    """A file's SHA-256 in lower-case hex; what was hashed is on the disk, not only in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(
    folder: Path, model: str, revision: str, commit: str | None, files: Iterable[ModelFile]
) -> None:
    """Say in the folder what it holds, and since when.

    The time tells a healed folder from the damaged one before it, although both hold the same files by
    their manifests: a server that loaded the damaged one must be restarted.
    """
    content = {
        "model": model,
        "revision": revision,
        "commit": commit,
        "verified": datetime.now(UTC).isoformat(),
        "files": [asdict(file) for file in files],
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path, model: str, revision: str) -> list[ModelFile] | None:
    """The files that a folder holds by its manifest; ``None`` without one, or when it is of another model."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if (content["model"], content["revision"]) != (model, revision):
            return None
        return [ModelFile(**file) for file in content["files"]]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def tidy(folder: Path, files: Iterable[ModelFile]) -> None:
    """Remove what the listing does not name (the client's own notes), and let every user read the rest."""
    wanted = {folder / MANIFEST, *(folder / file.path for file in files)}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path in wanted:
            # A file with another name elsewhere is readable already, or it would not have been linked; its
            # mode is its owner's business.
            if path.stat().st_nlink == 1:
                path.chmod(0o644)
        elif not path.is_dir():
            path.unlink()
        elif any(path.iterdir()):
            path.chmod(0o755)
        else:
            path.rmdir()
    folder.chmod(0o755)


def put_in_place(staging: Path, target: Path) -> None:
    """Make the staging folder the target; an older target exists until then."""
    replaced = target.with_name(f"{target.name}.replaced")
    if replaced.exists():
        shutil.rmtree(replaced)
    if target.exists():
        target.rename(replaced)
    staging.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)
