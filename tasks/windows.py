"""The Windows machine around WSL: the LAN is let in, once there is something to let it in to."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.facts.windows import IsWsl
from provision.operations.windows import no_port_proxy, port_proxy


@deploy("Windows")
def open_to_the_lan(deployment: Deployment) -> None:
    """Forward Dify's port from Windows to this distribution, or stop it."""
    if host.name != deployment.dify_host or not host.get_fact(IsWsl):
        return
    port = deployment.dify.port
    if deployment.dify.lan_access:
        port_proxy(name="Forward Dify's port from Windows", listen_port=port, connect_port=port)
    else:
        no_port_proxy(name="Forward nothing from Windows")
