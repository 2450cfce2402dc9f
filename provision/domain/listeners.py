"""Who listens where on a host, and who has the ports that a server of ours wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provision.domain.addresses import EVERYWHERE, LOOPBACK_ADDRESS
from provision.domain.deployment import ModelServer

# As ss prints a socket that takes connections to every address.
WILDCARDS = (EVERYWHERE, "*")

# The working folder of every process of ours, children included (it is in the units and programs).
OURS = re.compile(r"/services/((?:chat|embed|score)-(?:vllm|gateway|tunnel))/")


@dataclass(frozen=True)
class Socket:
    """A place where a host can be knocked at.

    Attributes:
        address: as ``ss`` prints it: ``0.0.0.0``, ``*`` (both families), ``127.0.0.1``, ``[::]`` (IPv6 only).
        protocol: ``tcp`` or ``udp``.
    """

    address: str
    port: int
    protocol: str = "tcp"

    @property
    def is_public(self) -> bool:
        """Whether more than the host itself can knock there."""
        return not self.address.startswith(("127.", "[::1]", "[::ffff:127."))

    @property
    def where(self) -> str:
        return f"{self.address}:{self.port}" + ("" if self.protocol == "tcp" else f"/{self.protocol}")


@dataclass(frozen=True)
class Listener(Socket):
    """A socket that a process listens on.

    Attributes:
        program: the name of a process that holds it, empty when the login may not know.
        pids: the processes that hold it.
        places: their working folders.
        account: whose the socket is; told even of processes that the login may not look into.
    """

    program: str = ""
    pids: tuple[int, ...] = ()
    places: tuple[str, ...] = ()
    account: str = "root"

    @property
    def process(self) -> str:
        """Program and process id for people, or as much as is known."""
        return f"{self.program} (process {self.pids[0]})" if self.pids else f"a process of {self.account}"

    @property
    def service(self) -> str | None:
        """The service of ours whose folder it works in, such as ``chat-vllm``."""
        found = (OURS.search(f"{place}/") for place in self.places)
        return next((match[1] for match in found if match), None)

    def is_hidden_and_of(self, account: str) -> bool:
        """In a container root may not look into the processes of other accounts; then the account decides."""
        return not self.pids and self.account == account


@dataclass(frozen=True)
class Published(Socket):
    """A port of a container that Docker publishes on its host, by a process of its own or by none.

    Attributes:
        container: its name.
        project: the compose project that it belongs to, empty for none.
        folder: of that project.
    """

    container: str = ""
    project: str = ""
    folder: str = ""


def port_problems(server: ModelServer, found: Iterable[Listener]) -> Iterator[str]:
    """Ports of a server that a process of somebody else's has."""
    settings = server.settings
    foreign = [
        each
        for each in found
        if each.protocol == "tcp" and not each.service and not each.is_hidden_and_of(server.serving.user)
    ]
    for setting, address, port in (
        ("listen_port", server.listen_address, settings.listen_port),
        ("vllm_port", LOOPBACK_ADDRESS, settings.vllm_port),
    ):
        if taken := next((each for each in foreign if _keeps_from(each, address, port)), None):
            yield (
                f"{server.role}.{setting} = {port}: {taken.process} listens there ({taken.where}); "
                f"end it, or set {server.role}.{setting} to a free port"
            )


def _keeps_from(listener: Listener, address: str, port: int) -> bool:
    """Whether it keeps a server from listening on an IPv4 address."""
    same = listener.address == address or not {*WILDCARDS}.isdisjoint({listener.address, address})
    return listener.port == port and same and not listener.address.startswith("[")
