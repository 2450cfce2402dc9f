"""The ssh connection under a host."""

from __future__ import annotations

from paramiko.transport import Transport
from pyinfra.api.host import Host


def transport_of(host: Host) -> Transport | None:
    """paramiko's transport; ``None`` when there is none in this run, or the host is reached otherwise."""
    client = getattr(host.connector, "client", None) if host.connected else None
    return client.get_transport() if client else None
