"""Containers of a compose project, as found: what there should be, what there is, whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast, get_args

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.whose import Made, Place

INSPECT = (
    '{{index .Config.Labels "com.docker.compose.service"}} '
    '{{index .Config.Labels "com.docker.compose.config-hash"}} '
    "{{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}} {{.HostConfig.RestartPolicy.Name}}"
)

MADE = "|".join(
    [
        "{{.ID}}",
        *(
            f'{{{{.Label "com.docker.compose.{label}"}}}}'
            for label in ("service", "project", "config-hash", "project.working_dir", "project.config_files")
        ),
    ]
)

KNOCK = """
import sys
from http.client import HTTPConnection
for path in ("/console/api/ping", "/"):
    try:
        door = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
        door.request("GET", path)
        print("door", door.getresponse().status)
    except OSError:
        print("door", 0)
"""


@dataclass(frozen=True)
class Container:
    """A container of the project.

    Attributes:
        config_hash: compose's fingerprint of the definition it was made from.
        status: ``running``, ``exited``, ``restarting``, …
        started_at: ISO time, comparable as text.
        restart: Docker's policy when it ends, ``no`` for none.
    """

    config_hash: str
    status: str
    exit_code: int
    started_at: str
    restart: str


@dataclass(frozen=True)
class Stack:
    """A compose project: what it should be, and what there is.

    Attributes:
        wanted: service to compose's fingerprint of its present definition.
        containers: service to its container.
        door: HTTP status of a request to the API and one to the web pages through nginx, 0 for no answer.
    """

    wanted: dict[str, str] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    door: list[int] = field(default_factory=list)


class ComposeStack(FactBase[Stack]):
    """The project of a folder; empty when there is no folder, engine or project yet."""

    @staticmethod
    def default() -> Stack:
        return Stack()

    def command(self, folder: str, project: str, port: int) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(folder), "2>/dev/null && [ -e .env ] && docker info >/dev/null 2>&1 || exit 0;",
            # Twice: only for a definition whose env files are already merged in does Compose print the
            # fingerprints that it labels containers with (2.26 and 2.40 alike).
            "docker compose config | docker compose -f - config --hash '*' | sed 's/^/wanted /';",
            "docker ps -aq --filter label=com.docker.compose.oneoff=False --filter",
            QuoteString(f"label=com.docker.compose.project={project}"),
            "| xargs -r docker inspect --format", QuoteString(f"container {INSPECT}"), ";",
            "python3 -c", QuoteString(KNOCK), str(port), "2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> Stack:
        stack = Stack()
        for line in output:
            kind, *values = line.split()
            if kind == "wanted":
                stack.wanted[values[0]] = values[1]
            elif kind == "door":
                stack.door.append(int(values[0]))
            elif kind == "container":
                service, config_hash, status, exit_code, *rest = values
                stack.containers[service] = Container(config_hash, status, int(exit_code), *rest)
        return stack


class ComposeContainers(FactBase[list[Made] | None]):
    """Every container that compose has made for somebody; ``None`` where no Docker answers.

    One with a project's name alone is not of compose's. Source of the labels: ``docker/compose:
    cmd/compose/compose.go, pkg/api/labels.go``.
    """

    @staticmethod
    def default() -> None:
        return None

    def command(self, folder: str, files: Sequence[str] = ()) -> StringCommand:
        """Ask.

        Args:
            folder: the one in question.
            files: what plain ``docker compose`` reads there.
        """
        return StringCommand(
            "made=$(docker ps --all --no-trunc --filter label=com.docker.compose.oneoff=False --filter",
            "label=com.docker.compose.project --format", QuoteString(MADE), "2>/dev/null) || exit 0;",
            "echo known; cd", QuoteString(folder), "2>/dev/null; set -f --", *map(QuoteString, files), ";",
            # No echo: folders of Windows' have backslashes.
            "printf '%s\\n' \"$made\" | while IFS='|' read -r id service project hash at files; do",
            "case $at in '') continue;; /*) place=elsewhere; if [ ! -d \"$at\" ]; then place=gone;",
            'elif [ "$at" -ef', QuoteString(folder), "]; then place=here; fi;; *) place=elsewhere;; esac;",
            "printf '%s\\n' \"$place|$id|$service|$project|$hash|$at\";",
            '[ "$place" = here ] || continue; IFS=,;',
            'for file in $files; do [ -e "$file" ] || continue; kind=unread;',
            'for each; do [ ! "$file" -ef "$each" ] || kind=read; done;',
            "printf '%s\\n' \"$kind|$file\"; done; done; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[Made] | None:
        if not output:
            return None
        found: list[Made] = []
        for line in output[1:]:
            place, value = line.split("|", 1)
            if place in get_args(Place):
                container, service, project, config_hash, folder = value.split("|", 4)
                files: dict[str, bool] = {}
                at = cast(Place, place)
                found.append(Made(container, service, project, folder, at, config_hash, files))
            else:
                files[value.removeprefix(f"{folder}/")] = place == "read"
        return found


class Running(FactBase[bool]):
    """Whether a container of a compose project runs."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, project: str) -> StringCommand:
        return StringCommand(
            "docker ps --quiet --filter", QuoteString(f"label=com.docker.compose.project={project}"),
            "2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> bool:
        return bool(output)


class Ill(FactBase[dict[str, str]]):
    """Service of a project to what Docker says of its container, where that is no good.

    One that ended with 0 has done its work. One that is only starting is well so far.
    """

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def command(self, project: str) -> StringCommand:
        return StringCommand(
            "docker ps --all --filter", QuoteString(f"label=com.docker.compose.project={project}"),
            "--filter label=com.docker.compose.oneoff=False",
            "--format '{{.Label \"com.docker.compose.service\"}} {{.State}} {{.Status}}' 2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> dict[str, str]:
        found = {}
        for line in output:
            service, state, status = line.split(" ", 2)
            done = status.startswith("Exited (0)")
            if "(unhealthy)" in status or not (state == "running" or done):
                found[service] = status
        return found


def _inspected(project: str, service: str, form: str) -> StringCommand:
    """What Docker says of a service's containers.

    Args:
        form: of the answer for each.
    """
    return StringCommand(
        "docker ps --all --quiet --filter", QuoteString(f"label=com.docker.compose.project={project}"),
        "--filter", QuoteString(f"label=com.docker.compose.service={service}"),
        "2>/dev/null | xargs -r docker inspect --format", QuoteString(form), "2>/dev/null",
    )  # fmt: skip


class Restarts(FactBase[int]):
    """How often Docker has restarted a service's container because it ended; 0 without one."""

    @staticmethod
    def default() -> int:
        return 0

    def command(self, project: str, service: str) -> StringCommand:
        return StringCommand(_inspected(project, service, "{{.RestartCount}}"), "; true")

    def process(self, output: list[str]) -> int:
        return max(map(int, output), default=0)


class Age(FactBase[int]):
    """Seconds since a service's container was made, running or not, reboots or none; 0 without one."""

    @staticmethod
    def default() -> int:
        return 0

    def command(self, project: str, service: str) -> StringCommand:
        return StringCommand(
            _inspected(project, service, "{{.Created}}"),
            '| while read -r at; do echo $(($(date +%s) - $(date -d "$at" +%s))); done; true',
        )

    def process(self, output: list[str]) -> int:
        return max(map(int, output), default=0)


class ContainerPython(FactBase[bool | None]):
    """Whether ``python3`` is to be had in a container; ``None`` where it does not run."""

    @staticmethod
    def default() -> None:
        return None

    def command(self, container: str) -> StringCommand:
        # What a shell answers for "not found" and "no permission", Docker does too (docker exec --help).
        return StringCommand(
            "command -v docker >/dev/null || exit 0;",
            "docker exec", QuoteString(container), "python3 -c pass >/dev/null 2>&1; echo $?",
        )  # fmt: skip

    def process(self, output: list[str]) -> bool | None:
        status = int(output[0]) if output else 1
        return {0: True, 126: False, 127: False}.get(status)
