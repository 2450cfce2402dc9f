"""What is kept of a Dify that was adopted."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from provision.domain.adoption import FOLDER, PLACE
from provision.facts.adoption import RememberedFolder


@operation()
def remembered(*, folder: str, place: str = PLACE) -> Generator[StringCommand, None, None]:
    """Note where Dify stands, so that it is found again while it has no containers.

    Args:
        folder: its clone.
        place: the file for it.
    """
    if folder == FOLDER or host.get_fact(RememberedFolder, path=place) == folder:
        host.noop(f"Dify stands in {folder}")
        return
    staged = QuoteString(f"{place}.new")
    yield StringCommand("mkdir -p", QuoteString(place.rsplit("/", 1)[0]))
    yield StringCommand("printf '%s\\n'", QuoteString(folder), ">", staged)
    yield StringCommand("mv -T", staged, QuoteString(place))
