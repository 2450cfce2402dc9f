"""How a port of a WSL distribution gets to the LAN: it depends on who publishes it, and on WSL's network."""

from __future__ import annotations

from enum import Enum


class Way(Enum):
    """One way to the LAN; its value says it to people."""

    PORT_PROXY = "WSL has a network of its own (NAT): Windows forwards the port by a rule"
    DESKTOP = "Docker Desktop publishes ports on Windows itself: no forwarding rule is needed"
    MIRRORED = (
        "WSL's network is mirrored, ports listen on Windows' own addresses: no forwarding rule is needed. "
        "(Should the LAN not get in, an administrator looks at Get-NetFirewallHyperVRule)"
    )
    BRIDGED = "WSL is bridged, with an address on the LAN itself: no forwarding rule is needed"

    @property
    def forwards(self) -> bool:
        """Whether Windows has to forward."""
        return self is Way.PORT_PROXY


def way(desktop: bool, mode: str) -> Way:
    """Find the way.

    Args:
        desktop: the engine that the distribution's ``docker`` talks to is Docker Desktop's.
        mode: of WSL's running network: nat, mirrored, bridged, none, virtioproxy (lately consomme); empty
            where it cannot be told.
    """
    if desktop:
        return Way.DESKTOP
    return {"mirrored": Way.MIRRORED, "bridged": Way.BRIDGED}.get(mode, Way.PORT_PROXY)
