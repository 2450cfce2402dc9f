"""What this run has learnt, and could not do; the last operation reports it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pyinfra import host

T = TypeVar("T")

not_done: dict[str, str] = {}
"""Thing to reason, such as ``embed`` to the answer of its endpoint."""

context_sizes: dict[str, int] = {}
"""Role to the tokens that its model reads, as its endpoint says where Dify asks it."""

thinking: set[str] = set()
"""Roles whose servers let the model think aloud although it should not, so that Dify has to stop it."""

remarks: list[str] = []
"""What is in place but does not count yet: said at the end of the run, whose exit code it does not change."""

answer = ""
"""What the bot answered in this run."""

PAUSE = 2
SAY_EVERY = 15


def wait_for(what: str, attempt: Callable[[], T], *, errors: type[Exception], timeout: float) -> T:
    """Repeat an attempt until it succeeds, saying so now and then.

    Args:
        what: what is waited for, for people.
        attempt: returns the result or raises one of ``errors``.
        errors: what "not yet" looks like.
        timeout: seconds.

    Raises:
        Exception: the attempt's last error, when the time is over.
    """
    started = said = time.monotonic()
    while True:
        try:
            return attempt()
        except errors as error:
            now = time.monotonic()
            if now - started > timeout:
                raise
            if now - said > SAY_EVERY:
                said = now
                host.log(f"waiting for {what}, {now - started:.0f} s: {' '.join(str(error).split())[:160]}")
        time.sleep(PAUSE)
