"""Debian's archive as this machine's own apt reaches it; the lab names no mirror."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

# The releases whose sources tell where a Debian archive is; any of them leads to all others.
DEBIAN_RELEASES = (
    "bookworm",
    "trixie",
    "bullseye",
    "forky",
    "sid",
    "stable",
    "testing",
    "oldstable",
    "unstable",
)

# Settings that decide whether apt can reach an archive and trusts the age of what it finds there.
HANDED_DOWN = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)


@dataclass(frozen=True)
class Archive:
    """Where Debian's packages come from.

    Args:
        main: address of the archive.
        security: address of the security archive; ``None`` when this machine's apt has none.
        options: apt settings that are needed to use them, as ``Name "value"``.
    """

    main: str
    security: str | None
    options: tuple[str, ...]

    def sources(self, release: str) -> list[str]:
        """The lines of a sources.list(5) for one Debian release."""
        lines = [f"deb {self.main} {release} main", f"deb {self.main} {release}-updates main"]
        if self.security:
            lines.append(f"deb {self.security} {release}-security main")
        return lines


def find() -> Archive | None:
    """The archive that apt is configured for; ``None`` on a machine whose apt knows no Debian (Ubuntu)."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    main = security = None
    for line in listed.stdout.splitlines():
        release, _, address = line.partition(" ")
        codename, _, pocket = release.replace("/", "-").partition("-")
        if codename not in DEBIAN_RELEASES:
            continue
        if pocket == "security":
            security = security or address
        elif pocket in ("", "updates"):
            main = main or address
    return Archive(main, security, _options()) if main else None


def _options() -> tuple[str, ...]:
    found = []
    for name in HANDED_DOWN:
        value = subprocess.run(
            ["apt-config", "dump", "--no-empty", "--format", "%v%n", name],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        if value:
            found.append(f'{name} "{value}"')
    return tuple(found)
