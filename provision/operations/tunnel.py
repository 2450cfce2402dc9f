"""The two ends of a tunnel: a service on Dify's host, and a key that opens one port on the model's."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from io import StringIO
from typing import Any

import paramiko
from pyinfra import host, inventory
from pyinfra.api import FileUploadCommand, StringCommand, operation
from pyinfra.facts.server import Home
from pyinfra.operations import files

from provision.connectors.host_keys import plain, shown
from provision.domain.deployment import ModelServer
from provision.domain.secrets import tunnel_key_name
from provision.domain.service import Service
from provision.domain.settings import ModelRole
from provision.domain.tunnel import NO_BRIDGE, Tunnel
from provision.facts.docker import DockerBridge
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.failing import failure
from provision.operations.secrets import secret_file
from provision.operations.service import absent, folders, running

SERVICES = "/var/lib/dify-vllm-deploy/services"
ACCOUNT = "dify-vllm-tunnel"

Commands = Generator[StringCommand | FileUploadCommand, None, None]


def tunnel_service(role: ModelRole) -> str:
    return f"dify-vllm-{role}-tunnel"


def tunnel_dir(role: ModelRole) -> str:
    return f"{SERVICES}/{role}-tunnel"


@operation()
def admitted(*, role: ModelRole, tunnel: Tunnel | None) -> Commands:
    """Let a tunnel's key in, for that one port and nothing else; or, without a tunnel to here, no longer.

    Args:
        role: whose key.
        tunnel: the way to the role's model, when that is on this host; ``None`` takes the key back.
    """
    folder = f"{host.get_fact(Home)}/.ssh"
    mark = f"dify-vllm-deploy:{role}"
    ours: dict[str, Any] = {"path": f"{folder}/authorized_keys", "line": f"^.* {mark}$"}
    if not tunnel:
        yield from files.line._inner(**ours, present=False)
        return
    try:
        private = paramiko.Ed25519Key.from_private_key(StringIO(secret(tunnel_key_name(role))))
    except KeeperUnavailableError as error:
        yield failure("Let the tunnel's key in", str(error), advice="Nothing was changed here")
        return
    public = plain(private).entry
    yield from files.directory._inner(path=folder, mode="700")
    yield from files.file._inner(path=f"{folder}/authorized_keys", mode="600")
    yield from files.line._inner(**ours, replace=tunnel.authorized(public, mark), ensure_newline=True)


@operation()
def opened(*, role: ModelRole, server: ModelServer | None) -> Commands:
    """Keep the way to a model open; or, where no tunnel leads to it any more, close it.

    The box's host key is pinned to the one that this run's own connection has verified. A box that cannot be
    reached now keeps the tunnel that it has.

    Args:
        role: whose tunnel.
        server: the role's model; ``None`` when no host has the role.
    """
    name, directory = tunnel_service(role), tunnel_dir(role)
    if not server or not server.tunnel:
        yield from absent(name, directory)
        return
    pinned = shown(inventory.get_host(server.host))
    if pinned is None:
        host.noop(f"{server.host} cannot be reached now; its tunnel stays as it is")
        return
    try:
        private = secret(tunnel_key_name(role)) + "\n"
    except KeeperUnavailableError as error:
        yield failure("Keep the tunnel open", str(error), advice="Run again")
        return
    known = f"{role} {pinned.entry}\n"
    key, known_hosts = f"{directory}/key", f"{directory}/known_hosts"
    bridge = host.get_fact(DockerBridge) or NO_BRIDGE
    service = Service(
        name=name,
        description=f"Tunnel to {server.settings.served_name} on {server.host}",
        argv=server.tunnel.command(bridge, role, key, known_hosts),
        user=ACCOUNT,
        directory=directory,
        inputs=[hashlib.sha256((known + private).encode()).hexdigest()],
        # The bridge that it listens on is Docker's.
        after=["docker.service"],
    )
    yield from folders(service)
    # Root's file, readable by the account: of a key that its own user owns, ssh refuses such a mode.
    yield from secret_file._inner(content=private, path=key, group=ACCOUNT, mode="640")
    yield from files.put._inner(src=StringIO(known), dest=known_hosts, mode="644")
    yield from running(service)
