"""What the sshd at the other end of a connection lets through."""

from __future__ import annotations

import paramiko
from pyinfra.api.host import Host

from provision.connectors.transport import transport_of

# RFC 4254, 5.1
PROHIBITED = 1


def forbids_forwarding(host: Host, port: int) -> bool:
    """Whether the running sshd refuses to forward to a port of its loopback.

    Asked by trying: its configuration file may be newer than the process, or overridden on its command line.

    Args:
        port: whether anything listens there makes no difference.
    """
    transport = transport_of(host)
    if transport is None:
        return False
    try:
        transport.open_channel("direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0), timeout=20).close()
    except paramiko.ChannelException as error:
        return error.code == PROHIBITED
    except paramiko.SSHException:
        return False  # no answer is no refusal; the tunnel's own proof will tell
    return False
