"""Sockets that a host listens on, and ports that its Docker publishes."""

from __future__ import annotations

import re

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.addresses import EVERYWHERE
from provision.domain.listeners import Listener, Published

_USER = re.compile(r'\("([^"]*)",pid=(\d+)')
_UID = re.compile(r" uid:(\d+) ")

# One line a published port: container|port inside|address|port|compose project|its folder
_PUBLISHED = (
    "{{$its := .}}{{range $inside, $outside := .NetworkSettings.Ports}}{{range $outside}}"
    "{{$its.Name}}|{{$inside}}|{{.HostIp}}|{{.HostPort}}|"
    '{{index $its.Config.Labels "com.docker.compose.project"}}|'
    '{{index $its.Config.Labels "com.docker.compose.project.working_dir"}}{{println}}{{end}}{{end}}'
)


class Listeners(FactBase[list[Listener] | None]):
    """Everything that listens on TCP and UDP, with its owner; ``None`` where ``ss`` cannot tell."""

    @staticmethod
    def default() -> list[Listener] | None:
        return None

    def command(self) -> str:
        return (
            's=$(ss -ltunpeH 2>/dev/null) || exit 0; echo told; printf "%s\\n" "$s" | sed "s/^/socket /";'
            # Not the command line: other people's hold secrets.
            'for p in $(printf "%s\\n" "$s" | grep -o "pid=[0-9]*" | cut -d= -f2 | sort -u); do '
            'printf "place %s %s\\n" "$p" "$(readlink "/proc/$p/cwd")"; done 2>/dev/null;'
            'for u in $(printf "%s\\n" "$s" | grep -o " uid:[0-9]*" | cut -d: -f2 | sort -u); do '
            'printf "account %s %s\\n" "$u" "$(id -nu "$u" 2>/dev/null)"; done; true'
        )

    def process(self, output: list[str]) -> list[Listener] | None:
        told: dict[str, list[str]] = {"told": [], "socket": [], "place": [], "account": []}
        for line in output:
            kind, _, rest = line.partition(" ")
            told.setdefault(kind, []).append(rest)
        if not told["told"]:
            return None
        places = _pairs(told["place"])
        accounts = _pairs(told["account"])
        found = (_listener(line, places, accounts) for line in told["socket"])
        return [listener for listener in found if listener]


def _pairs(lines: list[str]) -> dict[int, str]:
    return {int(number): text for number, _, text in (line.partition(" ") for line in lines)}


def _listener(line: str, places: dict[int, str], accounts: dict[int, str]) -> Listener | None:
    """``tcp LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=812,fd=6)) uid:998 ino:7 sk:1 <->``

    The uid is left out when it is 0.
    """
    columns = line.split()
    address, _, port = columns[4].rpartition(":") if len(columns) > 4 else ("", "", "")
    if not port.isdecimal():
        return None
    users = _USER.findall(line)
    pids = tuple(dict.fromkeys(int(pid) for _, pid in users))
    uid = _UID.search(f" {line.rpartition('))')[2]} ")  # a program may call itself anything
    return Listener(
        address=address.split("%")[0],
        port=int(port),
        protocol=columns[0],
        program=users[0][0] if users else "",
        pids=pids,
        places=tuple(dict.fromkeys(places[pid] for pid in pids if places.get(pid))),
        account=(accounts.get(int(uid[1])) or uid[1]) if uid else "root",
    )


class PublishedPorts(FactBase[list[Published]]):
    """Ports that running containers publish; without Docker's userland proxy ``ss`` knows none of them."""

    @staticmethod
    def default() -> list[Published]:
        return []

    def command(self) -> StringCommand:
        return StringCommand(
            "docker ps -q 2>/dev/null | xargs -r docker inspect --format", QuoteString(_PUBLISHED), "; true"
        )

    def process(self, output: list[str]) -> list[Published]:
        return [_published(line) for line in output if line]


def _published(line: str) -> Published:
    name, inside, address, port, project, folder = line.split("|", 5)
    return Published(
        address=f"[{address}]" if ":" in address else address or EVERYWHERE,
        port=int(port),
        protocol=inside.partition("/")[2],
        container=name.removeprefix("/"),
        project=project,
        folder=folder,
    )
