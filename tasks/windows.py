"""The Windows machine around WSL: the LAN is let in, once there is something to let it in to."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.domain.firewall import ANY, LOCAL_SUBNET, Opening
from provision.domain.published import lan_ports
from provision.domain.settings import DifySettings
from provision.facts.windows import IsWsl
from provision.facts.windows_network import WayToTheLan
from provision.operations.windows import let_in, port_proxy

REMOTE = {"any": (ANY,), "localsubnet": (LOCAL_SUBNET,)}


@deploy("Windows")
def open_to_the_lan(deployment: Deployment) -> None:
    """Let the LAN reach the ports of Dify that it needs, or shut it out."""
    if host.name != deployment.dify_host or not host.get_fact(IsWsl):
        return
    dify = deployment.dify
    ports = lan_ports(dify)
    way = host.get_fact(WayToTheLan)
    if ports:
        host.log(way.value)
    if ports and way.forwards:
        port_proxy(name="Forward Dify's port from Windows", forwards={port: port for port in ports})
    else:
        port_proxy(name="Forward nothing from Windows", forwards={})
    if ports:
        let_in(name="Let the LAN through Windows' firewall", openings=_openings(dify, ports))
    else:
        let_in(name="Let nobody through Windows' firewall", openings=[])


def _openings(dify: DifySettings, ports: list[int]) -> list[Opening]:
    access = dify.lan_access or []
    remote = tuple(access) if isinstance(access, list) else REMOTE[access]
    profiles = tuple(sorted({profile.capitalize() for profile in dify.lan_profiles}))
    return [Opening(port, remote, profiles) for port in ports]
