"""Docker's engine, as found, and what a Dify's ``.env`` has it publish."""

from __future__ import annotations

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.dify_env import HTTPS, PUBLISHED_PORT, PUBLISHED_SSL_PORT
from provision.domain.dotenv import DotenvError, last, meaning
from provision.facts.dify_env import assignments


class DockerBridge(FactBase[str]):
    """The address at which containers find their host; empty where no bridge is (Docker Desktop, or none)."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self) -> str:
        gateways = "{{range .IPAM.Config}}{{println .Gateway}}{{end}}"
        return (
            f"docker network inspect bridge --format '{gateways}' 2>/dev/null | while read -r a; do "
            'ip -o addr show 2>/dev/null | grep -qF " $a/" && echo "$a"; done; true'
        )

    def process(self, output: list[str]) -> str:
        return next((line.strip() for line in output if "." in line), "")


class ComposeVersion(FactBase[str]):
    """Version of the compose plugin; empty when there is none or the engine does not answer."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self) -> str:
        return "docker info >/dev/null 2>&1 && docker compose version --short 2>/dev/null; true"

    def process(self, output: list[str]) -> str:
        return output[0].strip().removeprefix("v") if output else ""


class OutOfReach(FactBase[str]):
    """What keeps root from a Docker that is there: ``snap``, ``rootless``, or nothing.

    The snap's confinement lets it into its user's own home only: for root neither into /opt nor into anybody
    else's (canonical/docker-snap#188, docker-archive/docker-snap#8). A rootless engine listens for its user
    alone; it matters where none of root's answers.
    """

    @staticmethod
    def default() -> str:
        return ""

    def command(self) -> str:
        return (
            'at=$(command -v docker) || at=/snap/bin/docker; [ -e "$at" ] || exit 0; '
            'case $(readlink -f "$at") in /snap/* | /usr/bin/snap) echo snap; exit 0 ;; esac; '
            "docker info >/dev/null 2>&1 || "
            "{ ls /run/user/*/docker.sock >/dev/null 2>&1 && echo rootless; }; true"
        )

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class DockerDesktop(FactBase[bool]):
    """Whether the engine that answers is Docker Desktop's; ``False`` where none answers.

    Inside a WSL distribution the difference matters twice: Desktop's containers run beside the distribution,
    not in it, so their ports are published on Windows itself, and ``host.docker.internal`` is Windows. An
    engine of the distribution publishes inside it, and does not know that name. Desktop gives its own name as
    that of its operating system, by which Docker's own tools know it (docker/model-cli#86).
    """

    @staticmethod
    def default() -> bool:
        return False

    def command(self) -> str:
        return "docker info --format '{{.OperatingSystem}}' 2>/dev/null; true"

    def process(self, output: list[str]) -> bool:
        return [line.strip() for line in output] == ["Docker Desktop"]


class NginxVariables(FactBase[dict[str, str]]):
    """What a Dify's ``.env`` says of nginx's ports; nothing else of that file leaves the host."""

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def command(self, folder: str) -> StringCommand:
        wanted = assignments(PUBLISHED_PORT, PUBLISHED_SSL_PORT, HTTPS)
        return StringCommand("cat", QuoteString(f"{folder}/.env"), f"2>/dev/null | {wanted}; true")

    def process(self, output: list[str]) -> dict[str, str]:
        try:
            found = last("\n".join(output))
        except DotenvError:  # told where the file is merged
            return {}
        return {name: meaning(statement.raw) for name, statement in found.items()}
