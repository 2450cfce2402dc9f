"""What there is of a download, told while it runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY_SECONDS = 5
MEGABYTE = 1_000_000


@contextmanager
def progress(staging: Path, total: int) -> Iterator[None]:
    """Print a line every few seconds: the file under way, how much there is of how much, and the rate."""
    done = threading.Event()

    def report() -> None:
        before = downloaded(staging)[0]
        while not done.wait(EVERY_SECONDS):
            now, file = downloaded(staging)
            rate = (now - before) / EVERY_SECONDS
            print(f"{file}: {in_mb(now)} of {in_mb(total)}, {in_mb(rate)}/s", flush=True)
            before = now

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def downloaded(staging: Path) -> tuple[int, str]:
    """Bytes on the disk (not the holes of files written from several places), and the file under way."""
    total, under_way, latest = 0, "", (False, 0)
    for path in staging.rglob("*"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # renamed or removed by the client meanwhile
        if path.is_file():
            total += min(state.st_size, state.st_blocks * 512)
            if (order := (path.suffix == ".incomplete", state.st_mtime_ns)) > latest:
                under_way, latest = path.name.removesuffix(".incomplete"), order
    return total, under_way


def in_mb(size: float) -> str:
    return f"{size / MEGABYTE:.1f} MB"
