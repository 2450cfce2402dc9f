"""Windows' firewall: what its registry says of our rules, and which of them have to change.

A rule lives in the registry as one string value: its name is the rule's unique ``-Name`` (a GUID for rules
that ``netsh`` made), its data a version and fields, such as
``v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Private|LPort=81|RA4=LocalSubnet|Name=…|``
(grammar: [MS-GPFAS] 2.2.2, "Firewall Rule and the Firewall Rule Grammar Rule"; no ``Profile`` means each).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from provision.domain.portproxy import decode_console

REGISTRY_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
POLICY_KEY = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"

RULE_PREFIX = "dify-vllm-deploy-tcp-"
ANY, LOCAL_SUBNET = "Any", "LocalSubnet"
PROFILES = ("Domain", "Private", "Public")

# The fields that decide whom a rule lets in over IPv4; names, descriptions, IPv6 and ICMP do not. Most of
# them narrow a rule down, or tie it to programs, accounts or releases of Windows: ours have none of those.
DECIDING = {
    "Action", "Active", "Dir", "Protocol", "Profile", "LPort", "LPort2_10", "LPort2_20", "RPort", "RPort2_10",
    "LA4", "RA4", "RA42", "IF", "IFType", "App", "AppPkgId", "Svc", "Platform", "Platform2", "SkipVer", "TTK",
    "TTK2_22", "TTK2_27", "TTK2_28", "Security", "Security2_9", "Security2", "SecurityRealmId", "RMauth",
    "RMAuth", "RUAuth", "LUAuth", "LUAuth2_24", "LUOwn", "Defer",
}  # fmt: skip
# Flags that decide where they are set; a rule without one means FALSE.
FLAGS = {"Edge", "LSM", "LOM"}
_COLUMN_GAP = "    "


@dataclass(frozen=True)
class Opening:
    """A TCP port on which Windows lets others in.

    Args:
        port: on Windows.
        remote_addresses: ``("Any",)``, ``("LocalSubnet",)``, or IPv4 addresses and networks.
        profiles: of the networks on which it holds, names of :data:`PROFILES`.
    """

    port: int
    remote_addresses: tuple[str, ...]
    profiles: tuple[str, ...]

    @property
    def name(self) -> str:
        """The one name of its rule, which is also the title that people see."""
        return f"{RULE_PREFIX}{self.port}"

    @property
    def deciding(self) -> frozenset[str]:
        """The fields of its rule, in the spelling of :func:`deciding`."""
        fields = ["Action=Allow", "Active=TRUE", "Dir=In", "Protocol=6", f"LPort={self.port}"]
        fields += [f"Profile={profile}" for profile in self.profiles]
        fields += [f"RA4={_range(each)}" for each in self.remote_addresses if each != ANY]
        return frozenset(fields)

    def __str__(self) -> str:
        return f"TCP {self.port} from {', '.join(self.remote_addresses)} ({', '.join(self.profiles)})"


def parse_rules(output: bytes) -> dict[str, str]:
    """Read our rules from what ``reg.exe query`` printed: value name to data.

    Ours are found by their name or by the title that people see, so that a copy which ``netsh`` made under
    that title (it allows any number of the same) is ours to clean, too.
    """
    rules = {}
    for line in decode_console(output).splitlines():
        match line.strip().split(_COLUMN_GAP, 2):
            case [name, "REG_SZ", data] if name.startswith(RULE_PREFIX) or f"|Name={RULE_PREFIX}" in data:
                rules[name] = data
    return rules


def deciding(data: str) -> frozenset[str]:
    """The fields of a rule that decide whom it lets in, each in one spelling."""
    pairs = [field.split("=", 1) for field in data.split("|") if "=" in field]
    found = {
        f"{name}={_range(value) if name == 'RA4' else value}"
        for name, value in pairs
        if name in DECIDING or (name in FLAGS and value != "FALSE")
    }
    if not any(name == "Profile" for name, _ in pairs):
        found |= {f"Profile={profile}" for profile in PROFILES}
    return frozenset(found)


def _range(address: str) -> str:
    """An IPv4 address, network (prefix length or mask) or range as its first and last, else as it is."""
    first, dash, last = address.partition("-")
    try:
        if dash:
            return f"{IPv4Address(first)}-{IPv4Address(last)}"
        network = IPv4Network(address, strict=False)
    except ValueError:
        return address
    return f"{network.network_address}-{network.broadcast_address}"


@dataclass(frozen=True)
class Difference:
    """What turns our present rules into the wanted ones; falsy when nothing has to change.

    Args:
        stale: value names of rules of ours that are wanted no more, copies included.
        missing: wanted ones that are not there, or let in others than they should.
    """

    stale: tuple[str, ...]
    missing: tuple[Opening, ...]

    def __bool__(self) -> bool:
        return bool(self.stale or self.missing)


def difference(current: Mapping[str, str], wanted: Iterable[Opening]) -> Difference:
    """Compare our rules with the whole set that we want.

    Args:
        current: as :func:`parse_rules` gives them; all of them are ours.
        wanted: one for each port.
    """
    desired = {opening.name: opening for opening in wanted}
    return Difference(
        stale=tuple(sorted(name for name in current if name not in desired)),
        missing=tuple(
            opening
            for name, opening in sorted(desired.items())
            if name not in current or deciding(current[name]) != opening.deciding
        ),
    )


def ignoring_profiles(output: bytes) -> list[str]:
    """Profiles on which a group policy makes Windows ignore local rules, ours among them.

    Args:
        output: what ``reg.exe query`` printed of :data:`POLICY_KEY` and the keys below it. There
            ``AllowLocalPolicyMerge`` is 0 then ([MS-GPFAS] 2.2.3); ``StandardProfile`` is the older name of
            the private one.
    """
    ignoring, profile = [], ""
    for line in decode_console(output).splitlines():
        if line.startswith("HKEY_"):
            profile = line.strip().rpartition("\\")[2].removesuffix("Profile")
        elif re.match(r"\s+AllowLocalPolicyMerge\s+REG_DWORD\s+0x0\s*$", line):
            ignoring.append({"Standard": "Private"}.get(profile, profile))
    return [profile for profile in PROFILES if profile in ignoring]
