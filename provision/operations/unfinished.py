"""The note on the Dify host of what was begun with the whole installation."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import Host, QuoteString, StringCommand, operation

from provision.domain.unfinished import NOTE, Unfinished, parse
from provision.facts.backup import Note
from provision.operations.failing import Problem, failure
from provision.operations.steps import StepError, put_text, run


def noted(host: Host) -> Unfinished | None:
    """What was begun and not finished.

    Raises:
        StepError: a note is there and cannot be read.
    """
    try:
        return parse(host.get_fact(Note, path=NOTE))
    except ValueError as error:
        raise StepError(f"{error}; look what state Dify is in, then remove it") from None


def note(host: Host, unfinished: Unfinished) -> Unfinished:
    """Write it down, before what it says is done."""
    put_text(host, unfinished.text(), NOTE)
    return unfinished


def forget(host: Host) -> None:
    """It is finished."""
    run(host, StringCommand("rm -f", QuoteString(NOTE)), f"removing {NOTE}")


def half_done(host: Host) -> Problem | None:
    """An upgrade or a restore that is not finished: everything else would work on half a thing."""
    try:
        begun = noted(host)
    except StepError as error:
        return Problem(str(error), "Then run again")
    return Problem(str(begun), f"To go on {begun.what_to_do()}") if begun else None


@operation()
def nothing_unfinished() -> Generator[StringCommand, None, None]:
    """Fail while an upgrade or a restore is not finished."""
    if problem := half_done(host):
        yield failure("Look at Dify", problem.found, advice=problem.advice)
        return
    host.noop("nothing is unfinished")
