"""内网穿透 the safe way: Dify reaches a rented box through ssh, and the box publishes nothing else."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files, server

from provision.domain.deployment import Deployment
from provision.domain.settings import MODEL_ROLES
from provision.operations.tunnel import ACCOUNT, SERVICES, admitted, opened


@deploy("Tunnels")
def open_tunnels(deployment: Deployment) -> None:
    """Keep a way open from Dify's host to each model that is reached through a tunnel, and no other."""
    if host.name != deployment.dify_host:
        here = {model.role: model for model in deployment.on(host.name)}
        for role in host.loop(MODEL_ROLES):
            way = here[role].tunnel if role in here else None
            admitted(name=f"Let the key of the {role} model's tunnel in, for one port", role=role, tunnel=way)
        return
    if any(model.tunnel for model in deployment.servers.values()):
        server.user(  # noqa: S604 - the login shell of the account, not of a command
            name="Make the account of the tunnels",
            user=ACCOUNT,
            system=True,
            home="/nonexistent",
            ensure_home=False,
            shell="/usr/sbin/nologin",
        )
        files.directory(name="Make the tunnels' folder", path=SERVICES, mode="755")
    for role in host.loop(MODEL_ROLES):
        opened(name=f"Keep the way to the {role} model", role=role, server=deployment.servers.get(role))
