"""Single keys of ``.wslconfig`` and ``wsl.conf``, read and set as WSL itself reads them.

Both files are the owner's: whatever is not one of our keys stays byte for byte. Both are read by one parser
(``src/shared/configfile/configfile.cpp`` in microsoft/WSL), which is no common ini parser:

* names of sections and keys are letters and digits, compared without case; a section may come twice;
* ``#`` alone starts a comment, also after a value; ``"`` quotes; ``\\`` escapes, and joins at a line's end;
* the *first* occurrence of a key counts, a later one is only warned of;
* a line that makes no sense is skipped in ``.wslconfig``, but ends the reading of ``wsl.conf``.

Only ``.wslconfig`` may begin with a byte order mark, and then may be UTF-16, as old editors write it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Key = tuple[str, str]
"""Section and name."""

_NOTHING = re.compile(r"[ \t]*(?:#.*)?")
_SECTION = re.compile(r"[ \t]*\[([A-Za-z][A-Za-z0-9]*)\][ \t]*(?:#.*)?")
_KEY = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*")
# Quoted stretches, escapes, anything else; a comment or the line's end ends it.
_ESCAPE = r'\\(?:\r?\n|[\\"bnt])'
_VALUE = re.compile(rf'(?:"(?:{_ESCAPE}|[^"\\\r\n])*"|{_ESCAPE}|[^"#\\\r\n])*')
_UNESCAPED = {"b": "\b", "n": "\n", "t": "\t", "\\": "\\", '"': '"', "\n": "", "\r\n": ""}
_MARK = "\ufeff"


@dataclass(frozen=True)
class _Line:
    """A line as WSL reads it; escaped line ends make it longer than one of an editor.

    Attributes:
        start, end: where it stands in the text, without its line end.
        name: of a section or a key, in lower case.
        value: of a key, unquoted.
        value_at: where the value stands in the text, without the space after it.
    """

    kind: Literal["nothing", "section", "key", "nonsense"]
    start: int
    end: int
    name: str = ""
    value: str = ""
    value_at: tuple[int, int] = (0, 0)


def decode(data: bytes) -> str:
    """The text of such a file; :func:`encode` turns it back into the same bytes."""
    return data.decode(*_encoding(data))


def encode(text: str, *, like: bytes) -> bytes:
    """A text as bytes, in the encoding of the file that it came from.

    Args:
        like: the file's bytes as they were.
    """
    return text.encode(*_encoding(like))


def _encoding(data: bytes) -> tuple[str, str]:
    if data.startswith(codecs.BOM_UTF16_LE) and len(data) % 2 == 0:
        return "utf-16-le", "surrogatepass"
    return "utf-8", "surrogateescape"


def values(text: str, *, strict: bool) -> dict[Key, str]:
    """What WSL understands, by section and key in lower case.

    Args:
        strict: stop at the first line that makes no sense, as for ``wsl.conf``.
    """
    found: dict[Key, str] = {}
    for section, line in _sections(text):
        if line.kind == "nonsense" and strict:
            break
        if line.kind == "key":
            found.setdefault((section, line.name), line.value)
    return found


def first_nonsense(text: str) -> int | None:
    """Number, from 1, of the first line that ends the reading of ``wsl.conf``."""
    for _, line in _sections(text):
        if line.kind == "nonsense":
            return text.count("\n", 0, line.start) + 1
    return None


def with_values(text: str, wanted: Mapping[Key, str]) -> str:
    """Set keys where they stand, else at the top of their section, else in a new section at the end.

    A key that already means what is wanted is left as it is spelled.

    Args:
        wanted: section and key to a value that needs no quotes.
    """
    for (section, key), value in wanted.items():
        text = _with_value(text, section, key, value)
    return text


def _with_value(text: str, section: str, key: str, value: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    opening = None
    for current, line in _sections(text):
        if current != section.lower():
            continue
        if line.kind == "key" and line.name == key.lower():
            start, end = line.value_at
            return text if means(line.value, value) else text[:start] + value + text[end:]
        if line.kind == "section" and opening is None:
            opening = line
    if opening is not None:
        return f"{text[: opening.end]}{newline}{key}={value}{text[opening.end :]}"
    gap = "" if text in ("", _MARK) else newline if text.endswith("\n") else 2 * newline
    return f"{text}{gap}[{section}]{newline}{key}={value}{newline}"


def means(found: str | None, wanted: str) -> bool:
    """Whether a value is the wanted one; WSL takes digits for a boolean, too.

    Args:
        found: as :func:`values` gives it; ``None`` for a key that is not there.
        wanted: in lower case.
    """
    digits = {"1": "true", "0": "false"} if wanted in ("true", "false") else {}
    return found is not None and digits.get(found, found.lower()) == wanted


def _sections(text: str) -> Iterator[tuple[str, _Line]]:
    """Each line with the section that it belongs to or opens, in lower case."""
    section, start = "", 0
    if text.startswith(_MARK):
        start = len(_MARK)
        # In .wslconfig, where nonsense is skipped, the mark is skipped, too.
        yield section, _Line("nonsense", 0, start)
    while start < len(text):
        line = _line(text, start)
        if line.kind == "section":
            section = line.name
        yield section, line
        start = text.find("\n", line.end) + 1 or len(text)


def _line(text: str, start: int) -> _Line:
    end = _line_end(text, start)
    if _NOTHING.fullmatch(text, start, end):
        return _Line("nothing", start, end)
    if opening := _SECTION.fullmatch(text, start, end):
        return _Line("section", start, end, opening[1].lower())
    if key := _KEY.match(text, start, end):
        value = _VALUE.match(text, key.end())
        assert value is not None  # it may be empty
        end = _line_end(text, value.end())
        if _NOTHING.fullmatch(text, value.end(), end):
            raw = value[0].rstrip(" \t")
            return _Line("key", start, end, key[1].lower(), _plain(raw), (key.end(), key.end() + len(raw)))
    return _Line("nonsense", start, end)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return end - 1 if end > start and text[end - 1] == "\r" else end


def _plain(raw: str) -> str:
    """A value without its quotes and escapes."""
    return re.sub(r'\\(\r?\n|.)|"', lambda found: _UNESCAPED[found[1]] if found[1] else "", raw)
