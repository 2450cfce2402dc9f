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


def way(desktop: bool, mode: str, mirrored_interface: bool) -> Way:
    """Find the way.

    Args:
        desktop: the engine that the distribution's ``docker`` talks to is Docker Desktop's.
        mode: what ``wslinfo --networking-mode`` says of the running network: nat, mirrored, bridged, none,
            virtioproxy (lately consomme); empty before WSL 2.0.
        mirrored_interface: there is the interface ``loopback0``, which only mirrored networking has
            (microsoft/WSL#12161 and others). ``.wslconfig`` is not asked: it says what was wished for, and
            WSL falls back to NAT when it cannot (microsoft/WSL#11540).
    """
    if desktop:
        return Way.DESKTOP
    if mode == "bridged":
        return Way.BRIDGED
    if mode == "mirrored" or (not mode and mirrored_interface):
        return Way.MIRRORED
    return Way.PORT_PROXY
