"""``.env`` files as Docker Compose reads them, with the place of every value.

Source: ``compose-spec/compose-go: dotenv/parser.go, template/template.go`` (2.40). What is particular to it:
a comment after an unquoted value needs one space before its ``#``, and a value before it; single quotes
protect ``$``; a quoted value may go on over lines; the last of several assignments counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import AnyStr

BYTE_ORDER_MARK = "\ufeff"

_SPACE = "[\t\v\f\r \x85\xa0]"
_BLANKS_AND_COMMENTS = re.compile(r"(?:\s|#[^\n]*)*")
_NAME = re.compile(
    rf"(?:export[\t\f\r ]{_SPACE}*)?(?P<name>[\w.\-\[\]]*){_SPACE}*(?P<sign>[=:\n]|\Z){_SPACE}*"
)
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_ESCAPE = re.compile(r'\\([abfnrtv$"\\])')
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)"
    r"|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<how>:?[-+?])(?P<other>(?:[^{}]|\{[^{}]*\})*))?\})"
)
_PLAIN = re.compile(r"[\w.:/@{}%,+*=-]*", re.ASCII)


class DotenvError(ValueError):
    """Compose would refuse the file; the message names the line and shows nothing of it."""


@dataclass(frozen=True)
class Statement:
    """One assignment.

    Attributes:
        raw: the value as it is written, quotes included.
        start, end: the lines that it stands on, up to and with the last one's end.
        at: where ``raw`` begins in the text.
        alone: whether nothing but a comment shares its lines.
    """

    name: str
    raw: str
    start: int
    end: int
    at: int
    alone: bool


def unless_blank(text: AnyStr | None) -> AnyStr | None:
    """What is in a file; ``None`` where none is there, or nothing in it: a write that was cut leaves that."""
    return text if text and not text.isspace() else None


def parse(text: str) -> list[Statement]:
    """Every assignment, in order.

    Raises:
        DotenvError: a quote is not closed, or something that is no name is assigned to.
    """
    found: list[Statement] = []
    at = first = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0
    while True:
        at = _end(_BLANKS_AND_COMMENTS.match(text, at))
        if at == len(text):
            return found
        assignment = _NAME.match(text, at)
        if not assignment:
            raise DotenvError(f"line {_line(text, at)}: not NAME=value")
        if assignment["sign"] not in ("=", ":"):  # a name alone is taken from the shell
            at = assignment.end()
            continue
        raw = _raw(text, assignment.end())
        start = max(first, text.rfind("\n", 0, at) + 1)
        before = text[start:at]
        value = assignment.end() if raw else assignment.end("sign")  # not between \r and \n
        at = value + len(raw)
        end = text.find("\n", at) + 1 or len(text)
        rest = text[at:end].strip()
        alone = not before.strip() and (not rest or rest.startswith("#"))
        found.append(Statement(assignment["name"], raw, start, end, value, alone))


def last(text: str) -> dict[str, Statement]:
    """Name to the assignment that counts, in the order in which the names first appear."""
    return {statement.name: statement for statement in parse(text)}


def meaning(raw: str) -> str:
    """A value as written to what Compose interpolates: equal meanings are equal settings.

    ``$$`` stands for a dollar in it.
    """
    if raw.startswith("'"):
        return raw[1:-1].replace("\\'", "'").replace("$", "$$")
    if raw.startswith('"'):
        return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), raw[1:-1])
    return raw


def written(value: str) -> str:
    """A literal value as it has to be written: bare where no reader can mistake it, else in quotes."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'


def protected(raw: str, rest: str) -> str:
    """A value as written to one with the same meaning, fit to stand before the rest of its line."""
    bare = not raw.startswith(("'", '"'))
    if bare and rest.strip() and not (raw and rest.startswith(" #")):
        return '"' + re.sub(r'([\\"])', r"\\\1", raw) + '"'
    return raw


def references(raw: str) -> set[str]:
    """The variables that a value as written is made from."""
    found = set()
    for match in _VARIABLE.finditer(meaning(raw)):
        if name := match["plain"] or match["braced"]:
            found |= {name} | references(match["other"] or "")
    return found


def values(text: str) -> dict[str, str]:
    """Name to value, with variables that stand earlier in the text filled in (the shell's are not)."""
    known: dict[str, str] = {}
    for statement in parse(text):
        known[statement.name] = _filled_in(meaning(statement.raw), known)
    return known


def interpolated(compose: str) -> set[str]:
    """The variables that a compose file takes from ``.env``."""
    return {
        name
        for match in re.finditer(r"(?<!\$)\$(?:\{(\w+)|([A-Za-z_]\w*))", compose)
        for name in match.groups()
        if name
    }


def replaced(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Put other text in place of ``[start, end)``; insertions at one place come out in their order."""
    pieces, at = [], 0
    for start, end, content in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [text[at:start], content]
        at = end
    return "".join([*pieces, text[at:]])


def _raw(text: str, at: int) -> str:
    if text[at : at + 1] in ("'", '"'):
        quoted = _QUOTED.match(text, at)
        if not quoted:
            raise DotenvError(f"line {_line(text, at)}: the quote is not closed")
        return quoted[0]
    end = text.find("\n", at)
    line = text[at : len(text) if end < 0 else end]
    return line.partition(" #")[0].rstrip()


def _filled_in(template: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, how = match["plain"] or match["braced"], match["how"] or ""
        there = bool(known.get(name)) if how.startswith(":") else name in known
        if how.endswith("+"):
            return _filled_in(match["other"], known) if there else ""
        if how.endswith("-") and not there:
            return _filled_in(match["other"], known)
        return known.get(name, "")

    return _VARIABLE.sub(value, template)


def _end(match: re.Match[str] | None) -> int:
    assert match  # what may be empty always matches
    return match.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
