"""Settings of connections that pyinfra leaves at their defaults."""

from __future__ import annotations

import socket

from pyinfra.api.host import Host

from provision.connectors.transport import transport_of


def without_delay(host: Host) -> None:
    """Switch Nagle's algorithm off on a host's ssh connection.

    paramiko leaves it on, which costs about 40 ms a command; a run has hundreds. A host that is
    reached otherwise (``@local``) has no such connection.
    """
    transport = transport_of(host)
    # Through a jump host there is a channel in the socket's place, which has no such option.
    if transport and isinstance(transport.sock, socket.socket):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
