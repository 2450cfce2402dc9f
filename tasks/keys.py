"""The keys: made once, on the host that keeps them."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.domain.secrets import ALL, SSH_KEY, tunnel_key_name
from provision.operations import apt
from provision.operations.secrets import generate


@deploy("Keys")
def keys(deployment: Deployment) -> None:
    """Make the secrets that do not exist yet."""
    if host.name != deployment.dify_host:
        return
    tunnels = {tunnel_key_name(role): SSH_KEY for role, server in deployment.servers.items() if server.tunnel}
    if tunnels:
        apt.packages(name="Install ssh's client", wanted=["openssh-client"])
    generate(name="Make the secrets that do not exist yet", wanted=ALL | tunnels)
