"""Windows' firewall over the stand-ins' registry: cmdlets that the door calls, and ``netsh advfirewall``.

Sources: data of a rule from [MS-GPFAS] 2.2.2 and from exported registries; ``-Name`` is unique and the
``name=`` of ``netsh`` is not: ``add`` may repeat it (xPSDesiredStateConfiguration#28), ``delete`` takes all;
``show`` and ``delete`` of a missing rule end with 1 (scripts that test for it). Inferred: a network is stored
with its mask; a rule for each profile has no ``Profile`` field; the number of the format's version.
"""

from __future__ import annotations

import uuid
from ipaddress import IPv4Network

from standins import state
from standins.console import Console

_VERSION = "v2.31"
_PROFILES = ("Domain", "Private", "Public")


class FirewallError(Exception):
    """A cmdlet failed, as with -ErrorAction Stop."""


def rule_names() -> list[str]:
    """``Get-NetFirewallRule``: the unique names of all rules."""
    return list(state.read()["registry"].get(state.FIREWALL_KEY, {}))


def rule(name: str) -> str:
    """The data of a rule in the registry."""
    return state.read()["registry"][state.FIREWALL_KEY][name]["data"]


def new_rule(name: str, port: int, remotes: list[str], profiles: list[str]) -> None:
    """``New-NetFirewallRule`` for an inbound TCP port.

    Raises:
        FirewallError: the process is not elevated, or there is a rule of that name.
    """
    _elevated("New-NetFirewallRule", name)
    with state.changing() as machine:
        rules = machine["registry"].setdefault(state.FIREWALL_KEY, {})
        if name in rules:
            raise FirewallError("Cannot create a file when that file already exists.")
        rules[name] = {"type": "REG_SZ", "data": _data("Allow", port, remotes, profiles, name)}
    state.log_call("New-NetFirewallRule", [name], code=0, write=True)


def remove_rule(name: str) -> None:
    """``Remove-NetFirewallRule -Name``; errors as for :func:`new_rule`, or when there is none."""
    _elevated("Remove-NetFirewallRule", name)
    with state.changing() as machine:
        if machine["registry"].get(state.FIREWALL_KEY, {}).pop(name, None) is None:
            raise FirewallError(
                f"No MSFT_NetFirewallRule objects found with property 'Name' equal to '{name}'."
            )
    state.log_call("Remove-NetFirewallRule", [name], code=0, write=True)


def _elevated(cmdlet: str, name: str) -> None:
    if not state.elevated():
        state.log_call(cmdlet, [name], code=1, write=False)
        raise FirewallError("Access is denied.")


def _data(action: str, port: int, remotes: list[str], profiles: list[str], title: str) -> str:
    fields = [_VERSION, f"Action={action}", "Active=TRUE", "Dir=In", "Protocol=6"]
    fields += [f"Profile={each}" for each in _PROFILES if each in profiles and len(profiles) < len(_PROFILES)]
    fields.append(f"LPort={port}")
    fields += [f"RA4={_stored(each)}" for each in remotes if each != "Any"]
    fields += ["RA6=LocalSubnet"] if remotes == ["LocalSubnet"] else []
    return "|".join([*fields, f"Name={title}", ""])


def _stored(remote: str) -> str:
    return str(IPv4Network(remote).with_netmask) if "/" in remote else remote


def netsh(console: Console, arguments: list[str]) -> tuple[int, bool]:
    """``netsh advfirewall firewall VERB rule name=… [dir=in action=… protocol=TCP localport=… remoteip=…]``.

    Returns:
        The exit code, and whether something was changed.
    """
    values = dict(argument.partition("=")[::2] for argument in arguments[1:])
    title = values.get("name", "")
    match arguments[0]:
        case "show" | "delete" as verb:
            found = [name for name in rule_names() if f"|Name={title}|" in rule(name)]
            if verb == "delete" and not state.elevated():
                console.say(console.text("needs elevation"), "")
                return 1, False
            if not found:
                console.say("", console.text("no such firewall rule"))
                return 1, False
            if verb == "show":
                console.say("", *(f"{console.text('rule name'):<38}{title}" for _ in found))
                return 0, False
            with state.changing() as machine:
                for name in found:
                    del machine["registry"][state.FIREWALL_KEY][name]
            return 0, True
        case "add":
            return _add(console, title, values)
    console.say("", console.text("netsh syntax"))
    return 1, False


def _add(console: Console, title: str, values: dict[str, str]) -> tuple[int, bool]:
    if not state.elevated():
        console.say(console.text("needs elevation"), "")
        return 1, False
    action = {"allow": "Allow", "block": "Block"}.get(values.get("action", ""))
    port = values.get("localport", "")
    if not title or not action or values.get("dir") != "in" or not port.isdecimal():
        console.say("", console.text("netsh syntax"))
        return 1, False
    remote = {"any": "Any", "localsubnet": "LocalSubnet"}
    remotes = [remote.get(each, each) for each in values.get("remoteip", "any").split(",")]
    profile = values.get("profile", "any")
    profiles = list(_PROFILES) if profile == "any" else [each.capitalize() for each in profile.split(",")]
    with state.changing() as machine:
        rules = machine["registry"].setdefault(state.FIREWALL_KEY, {})
        name = f"{{{str(uuid.uuid4()).upper()}}}"
        rules[name] = {"type": "REG_SZ", "data": _data(action, int(port), remotes, profiles, title)}
    console.say("Ok." if console.english else "确定。", "")
    return 0, True
