"""Backups of Dify, what would go into one, and what was begun and not finished."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.backup import MANIFEST, Mount, is_name


def _of_project(project: str, inspect: str) -> StringCommand:
    return StringCommand(
        "docker ps --all --quiet --filter label=com.docker.compose.oneoff=False --filter",
        QuoteString(f"label=com.docker.compose.project={project}"),
        "2>/dev/null | xargs -r docker inspect --format", QuoteString(inspect), "2>/dev/null; true",
    )  # fmt: skip


class ProjectMounts(FactBase[list[Mount]]):
    """What the containers of a compose project have mounted."""

    @staticmethod
    def default() -> list[Mount]:
        return []

    def command(self, project: str) -> StringCommand:
        return _of_project(project, "{{json .Mounts}}")

    def process(self, output: list[str]) -> list[Mount]:
        return [
            Mount(each["Type"], each["Source"], each["RW"], each.get("Name", ""))
            for line in output
            for each in json.loads(line)
            if each["Type"] in ("bind", "volume")
        ]


class ProjectImages(FactBase[dict[str, str]]):
    """Service to the image that its container was made from, with the image's id."""

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def command(self, project: str) -> StringCommand:
        return _of_project(
            project, '{{index .Config.Labels "com.docker.compose.service"}} {{.Config.Image}} {{.Image}}'
        )

    def process(self, output: list[str]) -> dict[str, str]:
        return dict(sorted((line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in output))


@dataclass(frozen=True)
class PackedFiles:
    """What a backup's program has packed.

    Attributes:
        files: name to SHA-256, bytes, and bytes of what was packed.
        downtime: seconds that Dify was stopped; ``None`` when the program did not come to its end.
    """

    files: dict[str, tuple[str, int, int]] = field(default_factory=dict)
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
                case [name, sha256, size, unpacked]:
                    files[name] = (sha256, int(size), int(unpacked))
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
    """Where Docker keeps a volume; empty when there is no such volume."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, volume: str) -> StringCommand:
        return StringCommand(
            "docker volume inspect --format '{{.Mountpoint}}'", QuoteString(volume), "2>/dev/null; true"
        )

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
