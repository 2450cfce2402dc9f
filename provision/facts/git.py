"""A git work tree on a host."""

from __future__ import annotations

from pyinfra.api import FactBase, QuoteString, StringCommand


class CheckedOutTag(FactBase[str]):
    """The tag that a work tree stands on, ``?`` for a tree on none, empty when there is no tree."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str) -> StringCommand:
        quoted = QuoteString(path)
        return StringCommand(
            "[ -e", QuoteString(f"{path}/.git"), "] || exit 0;",
            "git -c safe.directory=* -C", quoted, "describe --tags --exact-match 2>/dev/null || echo '?'",
        )  # fmt: skip

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class EditedFiles(FactBase[list[str]]):
    """The files of a work tree that differ from its commit; untracked ones do not count."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, path: str) -> StringCommand:
        return StringCommand(
            "git -c safe.directory=* -c core.quotePath=false -C", QuoteString(path),
            "diff --name-only HEAD 2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output
