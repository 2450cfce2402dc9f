"""Settings of connections that pyinfra leaves at their defaults."""

from __future__ import annotations

import socket

from pyinfra.api.host import Host


def without_delay(host: Host) -> None:
    """Switch Nagle's algorithm off on a host's ssh connection.

    paramiko leaves it on, which costs about 40 ms a command; a run has hundreds. A host that is
    reached otherwise (``@local``) has no such connection.
    """
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    if transport:
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
