"""ModelScope's own client brings the files; how long and how often it tries is decided here."""

from __future__ import annotations

import errno
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fetch_model import FetchError
from fetch_model.progress import downloaded, in_mb

# Attempts in a row that bring nothing new. As long as each brings something, there is always another one.
FRUITLESS_ATTEMPTS = 3
PAUSE_SECONDS = 2
# For one file; the client's own limit of an hour would end the download of a large one over a slow line.
LONGEST_SECONDS = 7 * 24 * 3600
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


@dataclass(frozen=True)
class Request:
    """What the client is to bring.

    Attributes:
        cache: where it keeps its locks and notes.
        workers: files at the same time.
        stall_timeout: seconds without a byte after which the download is given up.
    """

    model: str
    revision: str
    endpoint: str
    cache: Path
    workers: int
    stall_timeout: int


class _Arrivals:
    """Notes when the last byte came; the client makes one for each file (``ProgressCallback``)."""

    last = 0.0

    def __init__(self, filename: str, file_size: int) -> None:
        del filename, file_size

    def update(self, size: int) -> None:
        if size > 0:
            _Arrivals.last = time.monotonic()

    def end(self) -> None:
        """Nothing to be done."""


def download(request: Request, staging: Path) -> None:
    """Have the client bring what is missing in the staging folder.

    Raises:
        FetchError: it cannot be had now; what there is stays, and the next run goes on from it.
    """
    snapshot_download = _client(request)
    kept, fruitless = downloaded(staging)[0], 0
    while True:
        _Arrivals.last = time.monotonic()
        try:
            snapshot_download(
                request.model, revision=request.revision, local_dir=str(staging), endpoint=request.endpoint,
                max_workers=request.workers, progress_callbacks=[_Arrivals],
            )  # fmt: skip
            return
        except Exception as error:  # the client's own, of requests, and of the system
            now, reason = downloaded(staging)[0], _reason(error)
            fruitless = 0 if now > kept else fruitless + 1
            kept = max(kept, now)
            if time.monotonic() - _Arrivals.last >= request.stall_timeout:
                reason = f"no byte came for {request.stall_timeout} s; {reason}"
            elif not _is_lasting(error) and fruitless < FRUITLESS_ATTEMPTS:
                print(f"{reason}; going on with {in_mb(now)}", flush=True)
                time.sleep(PAUSE_SECONDS)
                continue
            raise FetchError(f"{request.model} is incomplete ({reason}); run again, it resumes") from error


def _client(request: Request) -> Any:
    """The client's entry, with the limits that it reads from the environment when it is imported.

    Names and meanings are those of modelscope-hub 0.5.1 (``constants.py``). A file that meets any trouble is
    given up at once (no retries): whether there is reason to try again is judged above, by what arrived.
    """
    limits = {
        "CACHE": str(request.cache),
        "DOWNLOAD_TIMEOUT": str(request.stall_timeout),
        "DOWNLOAD_LOW_SPEED_WINDOW_SECONDS": str(request.stall_timeout),
        "DOWNLOAD_TOTAL_TIMEOUT": str(LONGEST_SECONDS),
        "DOWNLOAD_MAX_RETRIES": "0",
    }
    os.environ.update({f"MODELSCOPE_{name}": value for name, value in limits.items()})
    os.environ["TQDM_DISABLE"] = "1"  # bars are noise in a log; `progress` prints lines instead
    try:
        # Here, since a complete target does not need it.
        from modelscope import snapshot_download  # type: ignore[import-untyped]
    except ImportError as error:
        raise FetchError(f"{sys.executable} has no modelscope; install it there") from error
    return snapshot_download


def _causes(error: BaseException) -> dict[str, BaseException]:
    """File to what happened to it; of a failure that concerns none in particular, the failure itself."""
    return getattr(error, "failed_files", None) or {"": error}


def _reason(error: BaseException) -> str:
    named = []
    for path, cause in list(_causes(error).items())[:5]:
        said = " ".join(str(cause).split())[:200] or type(cause).__name__
        named.append(f"{path}: {said}" if path else said)
    return "; ".join(named)


def _is_lasting(error: BaseException) -> bool:
    """Whether asking again is no use: the hub has no such file or only a wrong one, or the disk is full."""
    from modelscope_hub.errors import FileIntegrityError  # the client tried three times itself

    return any(
        isinstance(cause, FileIntegrityError)
        or getattr(cause, "retryable", None) is False
        or getattr(cause, "errno", None) in DISK_ERRORS
        for cause in _causes(error).values()
    )
