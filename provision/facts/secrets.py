"""Which secrets a host keeps; never what they are."""

from __future__ import annotations

from pyinfra.api import FactBase, QuoteString, StringCommand


class SecretNames(FactBase[list[str]]):
    """Names of the secrets that exist and are not empty."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, folder: str) -> StringCommand:
        return StringCommand(
            "find", QuoteString(folder), "-type f -size +0 ! -name '*.new' -printf '%f\\n' 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return sorted(output)
