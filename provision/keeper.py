"""The Dify host keeps the secrets; this reads them, in memory only.

It is the durable, backed-up machine, while rented boxes get wiped: a new box is given the same key, and
Dify needs no change. The control machine keeps nothing, so any clone can run.
"""

from __future__ import annotations

import threading

from paramiko import SSHException
from pyinfra import inventory, state
from pyinfra.api.host import Host

from provision.domain.secrets import FOLDER
from provision.remote_file import read

_read: dict[str, str] = {}
# Hosts ask in parallel; the first one connects and reads, the others take what it found.
_one_at_a_time = threading.Lock()


class KeeperUnavailableError(Exception):
    """A secret cannot be had; the message says why and what to do."""


def keeper() -> Host:
    return inventory.get_group("dify")[0]


def secret(name: str) -> str:
    """A secret's value.

    Raises:
        KeeperUnavailableError: when the Dify host cannot be reached or has not made it yet.
    """
    with _one_at_a_time:
        if name not in _read:
            _read[name] = _fetch(name)
        return _read[name]


def forget() -> None:
    """Read every secret anew: others are in their place."""
    with _one_at_a_time:
        _read.clear()


def _fetch(name: str) -> str:
    host = keeper()
    if host in state.failed_hosts or not (host.connected or _connect(host)):
        raise KeeperUnavailableError(
            f"{name} is kept on {host.name}, which cannot be used in this run; get it back, then run again"
        )
    try:
        content = read(host, f"{FOLDER}/{name}")
    except (OSError, SSHException) as error:
        raise KeeperUnavailableError(f"{name} cannot be read on {host.name}: {error}") from error
    if not content:
        raise KeeperUnavailableError(
            f"{host.name} has no {FOLDER}/{name} yet; the run makes it before it is needed"
        )
    return content.strip()


def _connect(host: Host) -> bool:
    host.connect(reason="for the keys it keeps")
    return host.connected
