"""Where the parts of a deployment are reached: a model by Dify's containers, Dify by people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from provision.domain.port_settings import AUTO
from provision.domain.setting_types import LOOPBACK
from provision.domain.settings import DifySettings, ModelSettings
from provision.domain.tunnel import DIFYS_HOST, Tunnel
from provision.domain.validation import SettingsError
from provision.domain.wsl import PREFIX

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the gateway is the declared, guarded listener
LOOPBACK_ADDRESS = "127.0.0.1"


def tunnel_to(
    role: str, host: str, values: Mapping[str, Any], settings: ModelSettings, dify_hosts: Sequence[str]
) -> Tunnel:
    """The tunnel to a model: by which sshd, and to which of its loopback's ports.

    Args:
        role: as the messages name it.
        host: the model's.
        values: all data of that host.
        settings: of the model.
        dify_hosts: hosts with Dify on them.

    Raises:
        SettingsError: no tunnel can lead there, or something else is set that contradicts one.
    """
    problem = None
    address = _model_address(host, values)
    if settings.endpoint:
        problem = (
            f"{role}.endpoint = {settings.endpoint!r} is where a public or direct model is found, but "
            f"{role}.transport is tunnel; take the endpoint out, or set the transport to public or direct"
        )
    elif host in dify_hosts:
        problem = f"{role}.transport is tunnel, but the model is on Dify's own host; set it to direct"
    elif address.startswith("@"):
        problem = (
            f"{role}.transport is tunnel, which ends at an sshd, and {address} has none; set it to direct"
        )
    elif settings.listen_address not in (None, LOOPBACK_ADDRESS):
        problem = (
            f"{role}.listen_address = {settings.listen_address!r}, but a tunnel ends on the box's loopback "
            f"and nothing else is to be public; take it out, or set {role}.transport to direct or public"
        )
    elif str(values.get("ssh_strict_host_key_checking")).lower() in ("no", "off", "false"):
        problem = (
            f"{role}.transport is tunnel, which pins the host key that your own connection verifies, but "
            "ssh_strict_host_key_checking is off; set it to 'yes'"
        )
    if problem:
        raise SettingsError([f"{host}: {problem}"])
    ssh_port = int(values.get("ssh_port", 22))
    if settings.tunnel_address:
        address, _, port = settings.tunnel_address.partition(":")
        ssh_port = int(port or 22)
    user = str(values.get("ssh_user", "root"))
    return Tunnel(address, ssh_port, user, settings.tunnel_port, settings.listen_port)


def endpoint_of(
    role: str, host: str, values: Mapping[str, Any], settings: ModelSettings, *, beside_dify: bool
) -> str:
    """The given endpoint; beside Dify, Docker's name for the host; else (a LAN) the address we reach it by.

    Beside Dify the host's own address would do in many places, but that of a WSL distribution is another one
    tomorrow, and from Docker Desktop's containers there is "no route to host" to it.

    Raises:
        SettingsError: the URL would lead nowhere, or has to be set.
    """
    beside = f"http://{DIFYS_HOST}:{settings.listen_port}/v1"
    endpoint = settings.endpoint or (beside if beside_dify else None)
    listens = settings.listen_address or EVERYWHERE
    if endpoint and urlsplit(endpoint).hostname == DIFYS_HOST and listens.startswith("127."):
        raise SettingsError(
            [
                f"{host}: {role}.listen_address = {listens} is out of reach of Dify's containers, which come "
                f"through Docker's bridge to {endpoint}; set it to {EVERYWHERE}"
            ]
        )
    if endpoint:
        return endpoint
    if settings.transport == "public":
        raise SettingsError(
            [
                f"{host}: {role}.transport is public, but {role}.endpoint is not set; set it to where the "
                "provider publishes the port, such as http://i-2.gpushare.com:42141/v1"
            ]
        )
    address = _model_address(host, values)
    if address.startswith(("@", *LOOPBACK)):
        raise SettingsError(
            [
                f"{host}: {role}.endpoint is not set and the host's address ({address}) is of no use to "
                f"Dify's containers; set it to the URL as Dify reaches it, such as {beside}"
            ]
        )
    return f"http://{address}:{settings.listen_port}/v1"


def dify_url(host: str, values: Mapping[str, Any], dify: DifySettings) -> str:
    """What people type; without a port while that is to be chosen yet.

    Raises:
        SettingsError: the host's address means nothing to others, and no ``public_url`` is set; or it has a
            path.
    """
    if dify.public_url:
        if urlsplit(dify.public_url).path:
            raise SettingsError(
                [
                    f"{host}: dify.public_url = {dify.public_url!r} holds a path, and Dify works at the root "
                    "of a name only; give it a name or a port of its own"
                ]
            )
        return dify.public_url
    address = _address(host, values)
    if address.startswith(("@", *LOOPBACK)):
        example = url_with_port("http://192.168.1.117", dify.port)
        raise SettingsError(
            [
                f"{host}: dify.public_url is not set and the host's address ({address}) means nothing "
                f"to others; set it to what people will type, such as {example}"
            ]
        )
    return url_with_port(f"http://{address}", dify.port)


def url_with_port(url: str, port: int) -> str:
    """The URL with a port, where one has to be named."""
    return url if port in (80, AUTO) else f"{url}:{port}"


def _address(host: str, values: Mapping[str, Any]) -> str:
    """What we reach a host by; for ``@wsl/…`` that is the address of Windows."""
    return str(values.get("ssh_hostname", host.removeprefix(PREFIX)))


def _model_address(host: str, values: Mapping[str, Any]) -> str:
    """What a model's host is found by; Windows forwards no port to one in a distribution behind it."""
    return host if host.startswith(PREFIX) else _address(host, values)
