"""Types of settings that say where something listens, and who may come."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

# In the place of a port: the first free one, as 0 is to an operating system. Written "auto" in settings.
AUTO = 0

# What the elevated door takes for one port.
MOST_NETWORKS = 32


def _port_or_auto(value: object) -> int:
    if value == "auto":
        return AUTO
    if type(value) is int and 1 <= value <= 65535:
        return value
    raise ValueError("must be a port from 1 to 65535, or 'auto' for the first free of 80, 81, 8081, 8082, …")


def _lan_access(value: object) -> object:
    if value in ("localsubnet", "any", None):
        return value
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        networks = list(dict.fromkeys(map(_network, value)))
        if len(networks) > MOST_NETWORKS:
            raise ValueError(f"must not name more than {MOST_NETWORKS} addresses and networks")
        return networks
    raise ValueError(
        "must be 'localsubnet', 'any', a list of IPv4 addresses and networks, or None for nobody"
    )


def _network(text: str) -> str:
    network = IPv4Network(text)
    if network.prefixlen == 0:
        raise ValueError(f"{text} is everybody: say 'any' if that is meant")
    return str(network.network_address) if network.prefixlen == 32 else str(network)


Port = Annotated[int, Field(ge=1, le=65535)]
PortOrAuto = Annotated[int, PlainValidator(_port_or_auto)]
LanAccess = Annotated[list[str] | Literal["localsubnet", "any"] | None, PlainValidator(_lan_access)]
Profile = Literal["domain", "private", "public"]
