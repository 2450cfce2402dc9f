"""Small questions about files."""

from __future__ import annotations

from pyinfra.api import FactBase, QuoteString, StringCommand


class ClosedFolder(FactBase[str]):
    """The first existing folder on the way to a path that others may not pass; empty when all let through."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str) -> StringCommand:
        return StringCommand(
            StringCommand("p=", QuoteString(path), _separator=""),
            '; while [ "$p" != / ] && [ -n "$p" ]; do',
            '[ ! -d "$p" ] || case "$(stat -c %A "$p")" in *[xt]) ;; *) echo "$p";; esac;',
            'p=$(dirname "$p"); done',
        )

    def process(self, output: list[str]) -> str:
        # Printed from the path upwards: the last one is met first.
        return output[-1].strip() if output else ""


class HoldsLine(FactBase[bool]):
    """Whether a file has exactly this line; not when there is no such file."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, path: str, line: str) -> StringCommand:
        return StringCommand(
            "! grep --quiet --no-messages --line-regexp --fixed-strings --regexp",
            QuoteString(line),
            QuoteString(path),
            "|| echo yes",
        )

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]
