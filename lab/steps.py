"""Progress of the lab: each step named, and timed when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Step:
    """A step under way; `note` says how it went, e.g. that a cached result served."""

    def __init__(self) -> None:
        self.note = ""


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Time what runs inside and print one line when it ends, also when it fails.

    Steps may overlap in threads: a line is printed at the end of its step, never begun and finished later.
    """
    current = Step()
    begun = time.monotonic()
    try:
        yield current
    except BaseException:
        current.note = "FAILED"
        raise
    finally:
        note = f" ({current.note})" if current.note else ""
        print(f"[{time.monotonic() - begun:6.1f} s] {name}{note}", flush=True)


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, for an error message; empty when there is no such file."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
