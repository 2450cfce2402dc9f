"""Dify's ``.env`` between two versions: what upstream changed, what the owner changed, what is ours.

Two layouts: up to 1.14.0 ``.env.example`` lists everything; from 1.14.1 it has the essentials, and the rest
lies in ``envs/**/*.env.example``, which counts when copied without ``.example`` and yields to ``.env``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from provision.domain.dotenv import (
    BYTE_ORDER_MARK,
    Statement,
    interpolated,
    last,
    meaning,
    parse,
    protected,
    references,
    replaced,
    written,
)

GONE = "# No longer known to Dify: "
ADDED = "# Added by dify-vllm-deploy"

Reason = Literal["ours", "new", "followed", "kept", "removed"]


@dataclass(frozen=True)
class EnvFolder:
    """The environment files of one ``docker/`` folder, a tag's or an owner's.

    Attributes:
        env: the text of ``.env.example``, or of an owner's ``.env``.
        optional: path to text of what lies below ``envs/``, a tag's without their ``.example``.
        compose: a tag's ``docker-compose.yaml``; it may read variables that no example lists.
    """

    env: str
    optional: Mapping[str, str] = field(default_factory=dict)
    compose: str = ""

    @cached_property
    def statements(self) -> dict[str, Statement]:
        return last(self.env)

    @cached_property
    def elsewhere(self) -> dict[str, list[str]]:
        """Name to its values as written, file by file, where the main file has none."""
        found: dict[str, list[str]] = {}
        for text in self.optional.values():
            for name, statement in last(text).items():
                if name not in self.statements:
                    found.setdefault(name, []).append(statement.raw)
        return found

    @cached_property
    def names(self) -> set[str]:
        """Every variable that is known here."""
        return {*self.statements, *self.elsewhere, *interpolated(self.compose)}

    def default(self, name: str) -> str | None:
        """A variable's value as written; ``None`` when there is none, or files differ about it."""
        if name in self.statements:
            return self.statements[name].raw
        found = self.elsewhere.get(name, [])
        return found[0] if len({meaning(raw) for raw in found}) == 1 else None


@dataclass(frozen=True)
class Change:
    """What happened to a variable, with its values as written (``None``: not set).

    Attributes:
        reason: ``ours`` a setting of ours, ``new`` upstream's new variable, ``followed`` upstream's new
            default, ``kept`` the owner's value though upstream's default is now ``after``, ``removed``
            commented out since nothing reads it any more.
    """

    name: str
    before: str | None
    after: str | None
    reason: Reason


@dataclass(frozen=True)
class Merged:
    """The new ``.env`` and how it came about, in the order of the file."""

    text: str
    changes: tuple[Change, ...]

    def names(self, reason: Reason) -> list[str]:
        return [change.name for change in self.changes if change.reason == reason]


def merge(
    old: EnvFolder,
    owner: EnvFolder,
    new: EnvFolder,
    managed: Mapping[str, str],
    fixed: Collection[str] = frozenset(),
) -> Merged:
    """Bring an owner's ``.env`` to another version, or only to our settings where old and new are the same.

    The owner's file is the ground: its lines, order, comments and line ends stay. A variable that the owner
    took out stays out unless upstream's default changed; one that an optional file of the owner's sets does
    not come in, since ``.env`` would win over that file.

    Args:
        old: the version that the owner's file was made for.
        owner: the owner's files.
        new: the version to come.
        managed: variable to value; these hold whatever anybody else says.
        fixed: variables that never follow upstream, even where the owner left the default: secrets.

    Raises:
        DotenvError: Compose would refuse one of the files.
    """
    text = owner.env
    end = "\r\n" if "\r\n" in text else "\n"
    comings = [*_comings(old, owner, new, managed)]
    found = {
        name: _change(statement, old, new, managed, fixed) for name, statement in owner.statements.items()
    }
    becomes = [change for change in found.values() if change and change.reason != "kept"]
    gone = _gone(
        old.names - new.names - managed.keys(), owner, [*becomes, *(change for change, _, _ in comings)]
    )
    edits: list[tuple[int, int, str]] = []
    for change in becomes:
        mine = owner.statements[change.name]
        stop = mine.at + len(mine.raw)
        rest = text[stop : mine.end].rstrip("\r\n")
        edits.append((mine.at, stop, protected(change.after or "", rest)))
    for name, places in gone.items():
        found[name] = Change(name, places[-1].raw, None, "removed")
        edits += [(mine.start, mine.end, _commented(text[mine.start : mine.end])) for mine in places]
    # Last, behind an empty value that the file ends with.
    edits += _insertions(text, owner.statements, comings, end)
    changes = (*filter(None, found.values()), *(change for change, _, _ in comings))
    return Merged(replaced(text, edits), changes)


def _change(
    mine: Statement,
    old: EnvFolder,
    new: EnvFolder,
    managed: Mapping[str, str],
    fixed: Collection[str],
) -> Change | None:
    """What becomes of a variable that the owner has; ``None`` for nothing."""
    name, raw = mine.name, mine.raw
    if name in managed:
        wanted = written(managed[name])
        return None if _same(raw, wanted) else Change(name, raw, wanted, "ours")
    before, after = old.default(name), new.default(name)
    if before is None or after is None or _same(before, after) or _same(raw, after):
        return None
    if name in fixed or not _same(raw, before):
        return Change(name, raw, after, "kept")
    return Change(name, raw, after, "followed")


def _comings(
    old: EnvFolder, owner: EnvFolder, new: EnvFolder, managed: Mapping[str, str]
) -> Iterator[tuple[Change, str, str | None]]:
    """Variables that the owner has not: the change, the comment above it, the variable that it follows."""
    present = {*_paragraphs(owner.env), *_paragraphs(old.env)}
    before: str | None = None
    at = 0
    for statement in parse(new.env):
        name, above = statement.name, new.env[at : statement.start]
        at = statement.end
        if name in owner.statements:
            before = name
        elif statement == new.statements[name] and _comes_in(name, old, owner, new, managed):
            reason: Reason = "ours" if name in managed else "new"
            raw = written(managed[name]) if name in managed else statement.raw
            yield Change(name, None, raw, reason), _comment(above, present), before
            before = name
    heading = "" if ADDED in owner.env else f"\n{ADDED}\n"
    for name in managed:
        if name not in owner.statements and name not in new.statements:
            yield Change(name, None, written(managed[name]), "ours"), heading, None
            heading = ""


def _comes_in(
    name: str, old: EnvFolder, owner: EnvFolder, new: EnvFolder, managed: Mapping[str, str]
) -> bool:
    if name in managed:
        return True
    if name in owner.elsewhere:
        return False
    return name not in old.statements or not _same(old.statements[name].raw, new.statements[name].raw)


def _insertions(
    text: str, mine: Mapping[str, Statement], comings: list[tuple[Change, str, str | None]], end: str
) -> Iterator[tuple[int, int, str]]:
    places = {name: statement.end for name, statement in mine.items()}
    closed = not text or text.endswith("\n")
    for change, comment, before in comings:
        place = places[change.name] = places[before] if before else len(text)
        lines = comment.replace("\n", end) + f"{change.name}={change.after}{end}"
        if place == len(text) and not closed:
            lines, closed = end + lines, True
        yield place, place, lines


def _comment(above: str, present: Collection[str]) -> str:
    """What stands above a variable, less the headings that are there already.

    The paragraph right above it is its own and always comes.
    """
    own = not above.endswith(("\n\n", "\n\r\n"))
    paragraphs = _paragraphs(above)
    kept = [
        paragraph
        for number, paragraph in enumerate(paragraphs, 1)
        if paragraph not in present or (own and number == len(paragraphs))
    ]
    spaced = "\n\n".join(kept)
    if not kept:
        return ""
    return ("\n" if above[:1].isspace() else "") + spaced + ("\n" if own else "\n\n")


def _paragraphs(text: str) -> list[str]:
    """The blocks of comment lines of a text."""
    lines = [line.strip() for line in text.lstrip(BYTE_ORDER_MARK).splitlines()]
    blocks = "\n".join(line if line.startswith("#") else "" for line in lines)
    return [block for block in re.split(r"\n{2,}", blocks.strip("\n")) if block]


def _commented(lines: str) -> str:
    return "".join(GONE + line for line in lines.splitlines(keepends=True))


def _gone(unknown: set[str], owner: EnvFolder, becomes: list[Change]) -> dict[str, list[Statement]]:
    """What the owner has and nothing reads any more, with every place of it.

    What another value is made from is in use, and what shares its line with another stays.

    Args:
        unknown: what the old version knew and the new one does not.
        becomes: variables with other values than the owner's.
    """
    places: dict[str, list[Statement]] = {}
    for statement in parse(owner.env):
        places.setdefault(statement.name, []).append(statement)
    changed = {change.name: change.after or "" for change in becomes}
    gone = {
        name for name in unknown & places.keys() - changed.keys() if all(mine.alone for mine in places[name])
    }
    while True:
        in_use: set[str] = set()
        for name in (places.keys() | changed.keys()) - gone:
            raws = [mine.raw for mine in places.get(name, [])]
            if name in changed:
                raws[-1:] = [changed[name]]
            in_use.update(*map(references, raws))
        if not gone & in_use:
            return {name: statements for name, statements in places.items() if name in gone}
        gone -= in_use


def _same(one: str, other: str) -> bool:
    return meaning(one) == meaning(other)
