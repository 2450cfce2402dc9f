"""Whether a compose project is as its definition says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

# nginx up to Dify 1.16.1 asks for these names once, when it starts (langgenius/dify#39155).
UPSTREAMS = ("api", "web", "plugin_daemon")
BAD_GATEWAY = frozenset({0, 502, 504})


class ContainerState(Protocol):
    @property
    def config_hash(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def exit_code(self) -> int: ...
    @property
    def started_at(self) -> str: ...
    @property
    def restart(self) -> str: ...


def differences(
    wanted: Mapping[str, str], containers: Mapping[str, ContainerState], *, recreate: bool = True
) -> list[str]:
    """One line for each service that ``docker compose up`` would have to touch.

    Args:
        recreate: ``False`` with ``--no-recreate``: what runs from an older definition stays.
    """
    found = []
    for service, config_hash in sorted(wanted.items()):
        container = containers.get(service)
        if container is None:
            found.append(f"{service} does not exist")
        elif recreate and container.config_hash != config_hash:
            found.append(f"{service} was made from another definition")
        elif container.status != "running" and not _done(container):
            found.append(f"{service} is {container.status}")
    return found


def nginx_is_stale(containers: Mapping[str, ContainerState], door: Sequence[int]) -> bool:
    """Whether nginx knows an old address of a service.

    It may when it started before that service, and it does when what comes through it then is an error
    of its own: after a reboot the order is chance, and the addresses are mostly the same.

    Args:
        door: HTTP status of a request to each upstream through nginx, 0 for no answer.
    """
    if not BAD_GATEWAY.intersection(door):
        return False
    nginx = containers.get("nginx")
    if nginx is None:
        return False
    return any(containers[name].started_at > nginx.started_at for name in UPSTREAMS if name in containers)


def _done(container: ContainerState) -> bool:
    """Whether it has ended with its work done, as ``init_permissions`` does (Dify ≥ 1.11)."""
    return (container.status, container.exit_code, container.restart) == ("exited", 0, "no")
