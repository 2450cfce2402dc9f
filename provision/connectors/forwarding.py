"""What the sshd at the other end of a connection lets through, and the key that it has shown."""

from __future__ import annotations

import paramiko
from paramiko.transport import Transport
from pyinfra.api.host import Host

# RFC 4254, 5.1
PROHIBITED = 1


def host_key(host: Host) -> str | None:
    """The key that the host has shown and pyinfra has verified, as ``known_hosts`` writes it.

    ``None`` when there is no ssh connection to it in this run.
    """
    transport = _transport(host)
    if transport is None:
        return None
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def forbids_forwarding(host: Host, port: int) -> bool:
    """Whether the running sshd refuses to forward to a port of its loopback.

    Asked by trying: its configuration file may be newer than the process, or overridden on its command line.

    Args:
        port: whether anything listens there makes no difference.
    """
    transport = _transport(host)
    if transport is None:
        return False
    try:
        transport.open_channel("direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0), timeout=20).close()
    except paramiko.ChannelException as error:
        return error.code == PROHIBITED
    except paramiko.SSHException:
        return False  # no answer is no refusal; the tunnel's own proof will tell
    return False


def _transport(host: Host) -> Transport | None:
    client = getattr(host.connector, "client", None) if host.connected else None
    return client.get_transport() if client else None
