"""Nothing public by accident: what of ours others can knock at, against what the settings declare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from provision.domain.addresses import EVERYWHERE
from provision.domain.deployment import Deployment
from provision.domain.listeners import WILDCARDS, Listener, Published, Socket
from provision.domain.published import published


@dataclass(frozen=True)
class Declared:
    """A place where something of ours is meant to listen, on TCP.

    Attributes:
        owner: the service (``chat-gateway``), or Dify's compose project.
        settings: what declares it.
    """

    owner: str
    address: str
    port: int
    settings: str

    def covers(self, socket: Socket) -> bool:
        meant = self.address in (*WILDCARDS, socket.address)
        return meant and (socket.port, socket.protocol) == (self.port, "tcp")

    def __str__(self) -> str:
        return f"{self.address}:{self.port} ({self.settings})"


@dataclass(frozen=True)
class Gate:
    """What may be public on one host, and how ours is told from the rest: by owner, never by probing.

    Attributes:
        declared: where ours may listen.
        accounts: what our services run under, other than root.
        project: Dify's compose project; empty where Dify is not.
    """

    declared: Sequence[Declared]
    accounts: Sequence[str] = ()
    project: str = ""

    def problems(self, sockets: Iterable[Socket]) -> Iterator[str]:
        """Ours that is public and not declared: who, where, and what to do."""
        found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for socket in sockets:
            owner = self._owner(socket)
            if owner is None or not socket.is_public:
                continue
            # Of a hidden process one knows that it is ours, but not which service it is.
            own = [each for each in self.declared if owner in (each.owner, *self.accounts)]
            if not any(each.covers(socket) for each in own):
                places = " and ".join(map(str, own))
                meant = f"declared is {places}" if own else "no setting declares that"
                found[_who(socket), meant, _advice(socket, own)].append(socket.where)
        for (who, meant, advice), where in found.items():
            more = f" and {len(where) - 3} more" if len(where) > 4 else ""
            listed = ", ".join(where[:3] if more else where)
            yield f"{who} listens on {listed}{more}; {meant}. {advice}"

    def others(self, sockets: Iterable[Socket]) -> list[str]:
        """What else is public (sshd, a provider's agents), in the order of the ports."""
        foreign = [each for each in sockets if each.is_public and self._owner(each) is None]
        listed = (f"{_name(each)} on {each.where}" for each in sorted(foreign, key=lambda each: each.port))
        return list(dict.fromkeys(listed))

    def _owner(self, socket: Socket) -> str | None:
        """The service, project or account of ours that it belongs to."""
        if isinstance(socket, Published):
            return self.project if self.project and socket.project == self.project else None
        if isinstance(socket, Listener):
            hidden = (account for account in self.accounts if socket.is_hidden_and_of(account))
            return socket.service or next(hidden, None)
        return None


def gate(deployment: Deployment, host: str, *, project: str, bridge: str, tunnels: str) -> Gate:
    """What the settings declare for a host.

    Args:
        deployment: the settings.
        host: its name in the inventory.
        project: Dify's compose project.
        bridge: where tunnels listen on Dify's host, Docker's bridge.
        tunnels: the account that they run under.
    """
    servers = deployment.on(host)
    declared = [
        Declared(
            f"{server.role}-gateway",
            server.listen_address,
            server.settings.listen_port,
            f"{server.role}.listen_address, {server.role}.listen_port",
        )
        for server in servers
    ]
    accounts = {server.serving.user for server in servers} - {"root"}  # nothing of root's is hidden from it
    if host != deployment.dify_host:
        return Gate(declared, sorted(accounts))
    ports = published(deployment.dify)
    declared += [Declared(project, EVERYWHERE, port, setting) for setting, port in ports.items()]
    declared += [
        Declared(f"{role}-tunnel", bridge, server.tunnel.port, f"Docker's bridge, {role}.tunnel_port")
        for role, server in deployment.servers.items()
        if server.tunnel
    ]
    return Gate(declared, sorted(accounts | {tunnels}), project)


def sockets(listeners: Sequence[Listener], published: Sequence[Published]) -> list[Socket]:
    """All of a host's: a port that Docker publishes once, whether a process of Docker's holds it or none."""
    taken = {(each.port, each.protocol) for each in published}
    return [
        *(each for each in listeners if each.service or (each.port, each.protocol) not in taken),
        *published,
    ]


def _name(socket: Socket) -> str:
    if isinstance(socket, Published):
        return f"container {socket.container}"
    return socket.program or socket.process if isinstance(socket, Listener) else "something"


def _who(socket: Socket) -> str:
    if isinstance(socket, Listener):
        return f"{socket.process} in {socket.places[0]}" if socket.places else socket.process
    return _name(socket)


def _advice(socket: Socket, own: Sequence[Declared]) -> str:
    service = socket.service if isinstance(socket, Listener) else None
    if isinstance(socket, Published):
        return "Publish it on 127.0.0.1 or not at all: look at dify.env and Dify's compose files"
    if service and service.endswith("-vllm"):
        role = service.split("-")[0]
        return (
            f"vLLM belongs on 127.0.0.1, behind its gateway: end this process, and look at {role}.env and "
            f"{role}.extra_args for what put it there"
        )
    if not own:
        return "It serves a role that this host does not have (any more): stop and disable its service"
    return "End it, or declare it there"
