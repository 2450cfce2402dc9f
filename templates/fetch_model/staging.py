"""The staging folder, where a model is gathered: from copies that are here already, then from the hub."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fetch_model import FetchError
from fetch_model.folder import MANIFEST, STAGING_MARK, ModelFile, differences
from fetch_model.progress import downloaded, in_mb


@contextmanager
def staging_folder(staging: Path, model: str) -> Iterator[None]:
    """Have the staging folder for this run alone.

    Raises:
        FetchError: another run is at work there, or the folder holds what this program did not put there.
    """
    staging.mkdir(parents=True, exist_ok=True)
    lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mark = staging / STAGING_MARK
        # Only the manifest is left of a run that was killed between its last two steps.
        if any(staging.iterdir()) and not mark.exists() and not (staging / MANIFEST).exists():
            raise FetchError(f"{staging} holds other files; name an empty or new folder with --staging")
        mark.write_text(f"{model}\n", encoding="utf-8")
        yield
    except BlockingIOError as error:
        raise FetchError(f"another download into {staging} is running; wait for it to end") from error
    finally:
        os.close(lock)


def gather(staging: Path, sources: Sequence[Path], files: Iterable[ModelFile]) -> None:
    """Take every file that lies, whole, in another folder already; those folders are not changed.

    Args:
        sources: folders that may hold some of the files, the best first: older revisions, the owner's caches.

    Raises:
        FetchError: what is still missing then does not fit onto the disk.
    """
    files = list(files)
    to_copy: list[tuple[Path, ModelFile]] = []
    taken = dict.fromkeys(sources, 0)
    for file in files:
        if (staging / file.path).exists():
            continue
        source = next((each for each in sources if _holds(each, file)), None)
        if source is None:
            continue
        taken[source] += 1
        if not _link(source / file.path, staging / file.path):
            to_copy.append((source / file.path, file))
    _refuse_a_small_disk(staging, sum(file.size for file in files))
    for original, file in to_copy:
        _copy(original, staging / file.path)
    for source, count in taken.items():
        if count:
            print(f"adopted {count} of {len(files)} files from {source}, verified", flush=True)


def _holds(source: Path, file: ModelFile) -> bool:
    try:
        return not differences(source, [file], hashes=True)
    except OSError:
        return False  # a copy that cannot be read is no reason to fail: the hub has another


def _link(original: Path, link: Path) -> bool:
    """Give a file a second name, where that is as good as a copy of its own; false where it is not.

    A link costs no space, but shares owner, mode and content. So only what nobody else may write and every
    account may read is linked: then neither has the other side anything to change, nor have we.
    """
    original = original.resolve()
    state = original.stat()
    link.parent.mkdir(parents=True, exist_ok=True)
    mine = state.st_uid == os.geteuid() and state.st_mode & 0o022 == 0
    if not mine or state.st_mode & 0o444 != 0o444 or state.st_dev != link.parent.stat().st_dev:
        return False
    try:
        link.hardlink_to(original)
    except OSError:
        return False  # a file system without links, or another mount of the same disk
    return True


def _copy(original: Path, copy: Path) -> None:
    """Copy a file; under its own name it appears whole or not at all."""
    half = copy.with_name(f"{copy.name}.incomplete")
    shutil.copyfile(original, half)
    half.rename(copy)


def _refuse_a_small_disk(staging: Path, total: int) -> None:
    missing, free = total - downloaded(staging)[0], shutil.disk_usage(staging).free
    if missing > free:
        raise FetchError(
            f"{staging} has {in_mb(free)} free, {in_mb(missing)} are needed; free some space and run again"
        )
