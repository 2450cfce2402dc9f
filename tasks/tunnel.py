"""内网穿透 the safe way: Dify reaches a rented box through ssh, and the box publishes nothing else."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files, server

from provision.domain.deployment import Deployment
from provision.operations.tunnel import ACCOUNT, SERVICES, admitted, tunnel


@deploy("Tunnels")
def open_tunnels(deployment: Deployment) -> None:
    """Keep a way open from Dify's host to each model that is reached through a tunnel."""
    for model in host.loop([each for each in deployment.on(host.name) if host.name != deployment.dify_host]):
        admitted(name="Let the tunnel's key in, for one port", server=model)
    if host.name != deployment.dify_host:
        return
    others = [each for each in deployment.servers.values() if each.host != host.name]
    if any(each.tunnel for each in others):
        server.user(  # noqa: S604 - the login shell of the account, not of a command
            name="Make the account of the tunnels",
            user=ACCOUNT,
            system=True,
            home="/nonexistent",
            ensure_home=False,
            shell="/usr/sbin/nologin",
        )
        files.directory(name="Make the tunnels' folder", path=SERVICES, mode="755")
    for model in host.loop(others):
        tunnel(name=f"Keep the way to the {model.role} model", server=model)
