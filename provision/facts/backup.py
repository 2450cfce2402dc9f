"""Backups of Dify, what would go into one, and what was begun and not finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.backup import COUNTING_MINUTES, MANIFEST, Mount, is_name
from provision.domain.external import VARIABLES, external
from provision.domain.git import GIT
from provision.templates import text


@dataclass(frozen=True)
class Storage:
    """Where a compose project keeps its data.

    Attributes:
        mounts: what its containers have mounted.
        external: what it keeps on other machines, or with other projects, in words.
    """

    mounts: list[Mount]
    external: list[str]


class ProjectStorage(FactBase[Storage | None]):
    """Where a project keeps its data; ``None`` where compose cannot read it, or no Docker answers."""

    @staticmethod
    def default() -> None:
        return None

    def command(self, clone: str, project: str) -> StringCommand:
        return StringCommand(
            "python3 -c", QuoteString(text("templates/dify_mounts.py")), QuoteString(clone),
            QuoteString(project), *VARIABLES, "2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> Storage | None:
        if not output:
            return None
        found = json.loads(output[-1])
        mounts = [Mount(**each) for each in found["mounts"]]
        return Storage(mounts, list(external(found["variables"], found["hosts"])))


class PathSizes(FactBase[dict[str, int | None]]):
    """Bytes that a path holds, ``None`` where counting takes too long; those that exist."""

    @staticmethod
    def default() -> dict[str, int | None]:
        return {}

    def command(self, paths: Sequence[str]) -> StringCommand:
        return StringCommand(
            "for path in", *map(QuoteString, paths), '; do [ -e "$path" ] || continue;',
            f'size=$(timeout {COUNTING_MINUTES}m du -sB1 -- "$path" 2>/dev/null | cut -f1);',
            'echo "${size:-?} $path"; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> dict[str, int | None]:
        pairs = (line.split(" ", 1) for line in output)
        return {path: int(size) if size.isdecimal() else None for size, path in pairs}


class Immovable(FactBase[list[str]]):
    """What keeps paths from being renamed, in words: links, and mount points at a path or below it."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, paths: Sequence[str]) -> StringCommand:
        listed = [QuoteString(path) for path in paths]
        return StringCommand(
            "for path in", *listed, '; do [ ! -L "$path" ] || echo "$path is a link"; done;',
            "findmnt --noheadings --list --output TARGET 2>/dev/null | while IFS= read -r at; do",
            "for path in", *listed, '; do case $at/ in "$path"/*) echo "$at is a mount point";; esac; done;',
            "done; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return list(dict.fromkeys(output))


class LinkedFolders(FactBase[list[str]]):
    """Folders of a clone's commit that are links in its work tree: git makes folders of them again."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, clone: str) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(clone), "2>/dev/null || exit 0;",
            GIT, "-c core.quotePath=false ls-tree -r -d --name-only HEAD 2>/dev/null |",
            'while IFS= read -r path; do [ ! -L "$path" ] || echo "$path"; done',
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return list(output)


@dataclass(frozen=True)
class PackedFiles:
    """What a backup's program has packed.

    Attributes:
        files: name to SHA-256 and bytes.
        downtime: seconds that Dify was stopped; ``None`` when the program did not come to its end.
    """

    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    downtime: int | None = None


class PackedParts(FactBase[PackedFiles]):
    """What lies in a folder that a backup's program has filled."""

    @staticmethod
    def default() -> PackedFiles:
        return PackedFiles()

    def command(self, folder: str) -> StringCommand:
        return StringCommand("cat", QuoteString(f"{folder}/packed"), "2>/dev/null; true")

    def process(self, output: list[str]) -> PackedFiles:
        files, downtime = {}, None
        for line in output:
            match line.split():
                case ["downtime", seconds]:
                    downtime = int(seconds)
                case [name, sha256, size]:
                    files[name] = (sha256, int(size))
        return PackedFiles(files, downtime)


class Backups(FactBase[list[str]]):
    """Names of the complete backups in a folder, oldest first."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, folder: str) -> StringCommand:
        return StringCommand(
            "find", QuoteString(folder), "-mindepth 2 -maxdepth 2 -name", MANIFEST, "-printf '%h\\n'",
            "2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return sorted(name for line in output if is_name(name := line.rsplit("/", 1)[-1]))


class VolumePlace(FactBase[str]):
    """Where Docker keeps a volume; empty when it is in no folder of this host, or there is no such volume."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, volume: str) -> StringCommand:
        kept = '{{if and (eq .Driver "local") (not .Options)}}{{.Mountpoint}}{{end}}'
        return StringCommand(
            "docker volume inspect --format", QuoteString(kept), QuoteString(volume), "2>/dev/null |",
            'while IFS= read -r at; do [ ! -d "$at" ] || echo "$at"; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class Note(FactBase[str]):
    """The note of what was begun and not finished, as it is; empty when there is none."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str) -> StringCommand:
        return StringCommand("cat", QuoteString(path), "2>/dev/null; true")

    def process(self, output: list[str]) -> str:
        return "\n".join(output)
