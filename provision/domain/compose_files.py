"""Which files plain ``docker compose`` in a folder reads, and what keeps ours from being one of them.

Source: ``compose-spec/compose-go: cli/options.go``, and Compose 2.40.3 itself.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provision.domain.adoption import OURS, OVERRIDE
from provision.domain.dotenv import unless_blank

FILE, SEPARATOR = "COMPOSE_FILE", "COMPOSE_PATH_SEPARATOR"

DEFINITIONS = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
NOTHING = "services: {}"
"""An override that says nothing, in whose place ours may be written."""
OVERRIDES = ("compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", OVERRIDE)
"""The first one of each that is there is read."""


@dataclass(frozen=True)
class Choice:
    """What compose chooses its files by.

    Attributes:
        there: which of the names that it looks for are in the folder.
        variables: those of ``.env`` and of the shell that name files.
    """

    there: Sequence[str] = field(default_factory=list)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """What it reads, as it is named: absolute, or from the folder."""
        if FILE in self.variables:
            return self.variables[FILE].split(self.variables.get(SEPARATOR) or ":")
        return [found for names in (DEFINITIONS, OVERRIDES) if (found := self._first(names))]

    def _first(self, names: Sequence[str]) -> str | None:
        return next((name for name in names if name in self.there), None)


@dataclass(frozen=True)
class Obstacle:
    """Why our override would not be read, or somebody's be lost.

    Attributes:
        found: in words.
        advice: what to do.
        once: the same in short, after "our override is written".
    """

    found: str
    advice: str
    once: str


def _is_somebodys(override: str) -> bool:
    return not override.startswith(OURS) and override.strip() != NOTHING


def obstacle(choice: Choice, folder: str, override: str | None) -> Obstacle | None:
    """What stands against an override of ours in a folder.

    Args:
        folder: where compose is called.
        override: what is in the file of our override's name; ``None`` when there is none.
    """
    paths = [posixpath.normpath(posixpath.join(folder, file)) for file in choice.files]
    named = choice.variables.get(FILE)
    if named is not None and f"{folder}/{OVERRIDE}" not in paths:
        return Obstacle(
            f"compose would not read {folder}/{OVERRIDE}, which our settings need: {FILE} is {named}",
            f"Add {OVERRIDE} to {FILE} in {folder}/.env, or where else it is set, or take {FILE} out",
            f"{FILE} names it",
        )
    somebodys = None
    if named is None:
        somebodys = next((file for file in choice.files if file in OVERRIDES and file != OVERRIDE), None)
    if somebodys is None and (text := unless_blank(override)) and _is_somebodys(text):
        somebodys = OVERRIDE
    if somebodys is None:
        return None
    unread = "" if somebodys == OVERRIDE else f"; compose reads it, and {OVERRIDE}, which would be ours, not"
    return Obstacle(
        f"{folder}/{somebodys} is somebody's own{unread}",
        f"Ours adds to each service there. Rename yours; it stays in force with {NOTHING!r} as the whole of "
        f"{OVERRIDE}, and {FILE}=docker-compose.yaml:{OVERRIDE}:NAME in .env",
        "yours is moved away",
    )
