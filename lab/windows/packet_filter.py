"""Windows' firewall at work: whether a packet to one of IP Helper's ports is let in.

Sources: [MS-GPFAS] 2.2.2 for the fields of a rule; the documentation of Windows' firewall for the order (one
that blocks wins, without any rule nothing comes in, loopback is not looked at). Simplified: every network has
the one profile of the state, and the forwarder accepts and hangs up where Windows would not answer at all.
"""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

RULES_KEY = (
    "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
    "\\FirewallRules"
)
# Fields that narrow a rule down to what IP Helper is not, or that are not modelled.
NARROWING = {
    "RPort", "RPort2_10", "LPort2_10", "LPort2_20", "LA4", "RA42", "IF", "IFType", "AppPkgId", "LUOwn",
    "Platform", "Platform2", "SkipVer", "Security", "Security2", "Security2_9", "RMauth", "RUAuth",
}  # fmt: skip


def lets_in(machine: dict[str, Any], port: int, peer: str) -> bool:
    """Whether the firewall lets a peer reach a port.

    Args:
        machine: the stand-ins' state.
        port: TCP port of Windows.
        peer: IPv4 address.
    """
    interfaces = [IPv4Interface(address) for address in machine["adapters"].values()]
    address = IPv4Address(peer)
    if address.is_loopback or any(address == interface.ip for interface in interfaces):
        return True
    rules = [_fields(value["data"]) for value in machine["registry"].get(RULES_KEY, {}).values()]
    local = [interface.network for interface in interfaces]
    actions = {
        rule["Action"][0] for rule in rules if _matches(rule, port, address, machine["network"], local)
    }
    return actions == {"Allow"}


def _fields(data: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = defaultdict(list)
    for field in data.split("|"):
        name, equals, value = field.partition("=")
        if equals:
            fields[name].append(value)
    return fields


def _matches(
    rule: dict[str, list[str]], port: int, peer: IPv4Address, profile: str, local: list[IPv4Network]
) -> bool:
    program = rule.get("App", ["svchost.exe"])[0].lower()
    return (
        rule["Active"] == ["TRUE"]
        and rule["Dir"] == ["In"]
        and rule.get("Protocol", ["6"]) == ["6"]
        and not NARROWING & rule.keys()
        and program.endswith("svchost.exe")
        and rule.get("Svc", ["iphlpsvc"]) == ["iphlpsvc"]
        and str(port) in rule.get("LPort", [str(port)])
        and profile in rule.get("Profile", [profile])
        and _remote(rule, peer, local)
    )


def _remote(rule: dict[str, list[str]], peer: IPv4Address, local: list[IPv4Network]) -> bool:
    if "RA4" not in rule:
        return "RA6" not in rule
    return any(
        any(peer in network for network in local) if each == "LocalSubnet" else peer in IPv4Network(each)
        for each in rule["RA4"]
    )
