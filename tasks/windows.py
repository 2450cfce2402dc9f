"""The Windows machine around WSL: the LAN is let in, once there is something to let it in to."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.domain.firewall import ANY, LOCAL_SUBNET, Opening
from provision.domain.settings import DifySettings
from provision.facts.windows import IsWsl
from provision.operations.windows import let_in, port_proxy
from tasks.ports import lan_ports

REMOTE = {"any": (ANY,), "localsubnet": (LOCAL_SUBNET,)}


@deploy("Windows")
def open_to_the_lan(deployment: Deployment) -> None:
    """Let the LAN reach the ports of Dify that it needs, or shut it out."""
    if host.name != deployment.dify_host or not host.get_fact(IsWsl):
        return
    dify = deployment.dify
    ports = lan_ports(dify)
    if ports:
        port_proxy(name="Forward Dify's port from Windows", forwards={port: port for port in ports})
        let_in(name="Let the LAN through Windows' firewall", openings=_openings(dify, ports))
    else:
        port_proxy(name="Forward nothing from Windows", forwards={})
        let_in(name="Let nobody through Windows' firewall", openings=[])


def _openings(dify: DifySettings, ports: list[int]) -> list[Opening]:
    access = dify.lan_access or []
    remote = tuple(access) if isinstance(access, list) else REMOTE[access]
    profiles = tuple(sorted({profile.capitalize() for profile in dify.lan_profiles}))
    return [Opening(port, remote, profiles) for port in ports]
