"""Installations of Dify, whoever made them."""

from __future__ import annotations

import re

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.adoption import OURS, OVERRIDE, PLACE, Installation
from provision.domain.compose_files import DEFINITIONS, FILE, OVERRIDES, SEPARATOR, Choice
from provision.domain.dotenv import DotenvError, last, meaning, values
from provision.facts.dify_env import assignments

LABELS = (
    '{{.Config.Image}} {{index .Config.Labels "com.docker.compose.project"}} '
    '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
)


class Installations(FactBase[list[Installation]]):
    """Every Dify that compose has started on the host and not taken down, running or not.

    Known by the image of its API, from Docker Hub or a mirror, and by the folder that compose was called in.
    """

    @staticmethod
    def default() -> list[Installation]:
        return []

    def command(self) -> StringCommand:
        return StringCommand(
            "docker ps --all --quiet --filter label=com.docker.compose.oneoff=False --filter",
            "label=com.docker.compose.service=api 2>/dev/null | xargs -r docker inspect --format",
            QuoteString(LABELS), "2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[Installation]:
        found = (line.split(" ", 2) for line in output)
        return [
            Installation(folder.strip(), project)
            for image, project, folder in found
            if re.search(r"(^|/)langgenius/dify-api([:@]|$)", image)
        ]


class RememberedFolder(FactBase[str]):
    """The clone of the Dify that was adopted before; empty when none was."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str = PLACE) -> StringCommand:
        return StringCommand("cat", QuoteString(path), "2>/dev/null; true")

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class MadeByHand(FactBase[bool]):
    """Whether somebody else has set up a Dify: its docker folder has a ``.env``, and no override of ours.

    One with nothing in it is none: see :func:`provision.domain.dotenv.unless_blank`.
    """

    @staticmethod
    def default() -> bool:
        return False

    def command(self, folder: str) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(folder), "2>/dev/null && grep -qs '[^[:space:]]' .env &&",
            "! head -n1", OVERRIDE, "2>/dev/null | grep -qF", QuoteString(OURS), "&& echo yes; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class ComposeProject(FactBase[str]):
    """What plain ``docker compose`` in a folder calls its project: after it, unless ``.env`` says otherwise.

    So may ``name:`` in a definition, which is not looked for: what was started so is found and told.
    """

    @staticmethod
    def default() -> str:
        return ""

    def command(self, folder: str) -> StringCommand:
        return StringCommand(
            "printf '%s\n'", QuoteString(folder.rsplit("/", 1)[-1]), ";",
            "{ cat", QuoteString(f"{folder}/.env"), "; echo; env; } 2>/dev/null |",  # the shell's counts
            assignments("COMPOSE_PROJECT_NAME"), "| grep =.; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> str:
        try:
            named = last("\n".join(output[1:]))
        except DotenvError:  # told where the file is merged
            return output[0]
        return meaning(named["COMPOSE_PROJECT_NAME"].raw) if named else output[0]


class ComposeFiles(FactBase[Choice]):
    """What plain ``docker compose`` in a folder chooses its files by."""

    @staticmethod
    def default() -> Choice:
        return Choice()

    def command(self, folder: str) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(folder), "2>/dev/null || exit 0;",
            "for name in", *DEFINITIONS, *OVERRIDES, '; do [ ! -e "$name" ] || echo "$name"; done;',
            # The shell's come last, and count.
            "{ cat .env; echo; env; } 2>/dev/null |", assignments(FILE, SEPARATOR), "; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> Choice:
        there = [line for line in output if line in DEFINITIONS + OVERRIDES]
        try:
            return Choice(there, values("\n".join(line for line in output if line not in there)))
        except DotenvError:  # told where the file is merged
            return Choice(there)
