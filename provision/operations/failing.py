"""How an operation fails: by a command that fails on its host, so that the other hosts go on."""

from __future__ import annotations

from typing import NamedTuple

from pyinfra.api import QuoteString, StringCommand


class Problem(NamedTuple):
    """Why something cannot go on: what was found, and what to do about it; never a secret."""

    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.found}. {self.advice}"


def failure(step: str, found: str, *, advice: str) -> StringCommand:
    """A command that prints a message and fails.

    An exception in an operation would end the run for every host; this ends it for one.

    Args:
        step: what was being done.
        found: what was found, and where; never a secret.
        advice: what to do about it.
    """
    return StringCommand("printf '%s\\n'", QuoteString(f"{step}: {found}. {advice}"), ">&2; exit 1")
