"""Python environments on a host."""

from __future__ import annotations

from pyinfra.api import FactBase, QuoteString, StringCommand

# Written last when an environment is complete; holds the fingerprint of what was installed.
STAMP = ".installed"


class EnvironmentStamp(FactBase[str]):
    """Fingerprint of what a virtual environment was completed with; empty when it is not complete."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str) -> StringCommand:
        # Without its interpreter (the old disk under another image) it is not complete, stamp or not.
        python = QuoteString(f"{path}/bin/python")
        return StringCommand("[ -x", python, "] && cat", QuoteString(f"{path}/{STAMP}"), "2>/dev/null; true")

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class DistributionVersion(FactBase[str]):
    """Version of a distribution in a virtual environment; empty when it is not installed."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str, distribution: str) -> StringCommand:
        # Reading the folder's name is 10 ms; asking Python to import vLLM is 20 s.
        pattern = StringCommand(
            QuoteString(path), f"/lib/python3*/site-packages/{distribution}-*.dist-info", _separator=""
        )
        return StringCommand("ls -d", pattern, "2>/dev/null; true")

    def process(self, output: list[str]) -> str:
        if not output:
            return ""
        return output[0].rsplit("/", 1)[-1].removesuffix(".dist-info").partition("-")[2]
