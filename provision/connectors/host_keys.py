"""The key that a host shows, and advice when it is not the known one.

pyinfra says that it refuses, and names ``ssh-keygen -R`` without our file. The advice has to be there when a
connection fails: ``deploy.py`` runs only for hosts that were reached, and not at all when none was. pyinfra's
own callback for that moment can be registered only after inventories are read, and between that and the
connections nothing of ours runs. So its connector is wrapped.
"""

from __future__ import annotations

import re
from typing import Any

from paramiko import BadHostKeyException, PKey
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh import SSHConnector

from provision.connectors.transport import transport_of
from provision.domain.host_keys import PublicKey, advice, known_as

# Raised by pyinfra's StrictPolicy, with the name that known_hosts would have.
_UNKNOWN = re.compile(r"No host key for (\S+) found")

_connect = SSHConnector.connect


def give_advice() -> None:
    """Have every refusal of a host key from now on say how to accept it."""
    SSHConnector.connect = _connect_or_advise  # type: ignore[assignment, method-assign]


def _connect_or_advise(connector: SSHConnector) -> None:
    try:
        _connect(connector)
    except ConnectError as error:
        lines = _advice(connector.client, error.__context__)
        if not lines:
            raise
        raise ConnectError("\n    ".join([str(error), *lines])) from error


def _advice(client: Any, cause: BaseException | None) -> list[str]:
    if isinstance(cause, BadHostKeyException):
        name = known_as(cause.hostname, client._ssh_config["port"])
        return advice(name, client._host_keys_filename, plain(cause.key), plain(cause.expected_key))
    if unknown := _UNKNOWN.search(str(cause)):
        presented = plain(client.get_transport().get_remote_server_key())
        return advice(unknown[1], client._host_keys_filename, presented, None)
    return []


def shown(host: Host) -> PublicKey | None:
    """The key that a host has shown and pyinfra has verified; ``None`` without an ssh connection to it."""
    transport = transport_of(host)
    return plain(transport.get_remote_server_key()) if transport else None


def plain(key: PKey) -> PublicKey:
    """A key without paramiko around it."""
    return PublicKey(key.get_name(), key.get_base64())
