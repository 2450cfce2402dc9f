"""Stand-in of ``netsh.exe``: port proxy rules for IPv4 to IPv4, firewall rules, excluded port ranges.

Sources: verbs, arguments, their defaults and that ``set`` modifies *or adds* from the documentation of
``netsh interface portproxy``; the listing's layout from captured outputs; the texts as said in console.py.
Inferred, with no authoritative statement found: exit codes (0 and 1), ``add`` over a rule overwrites it,
``delete`` of a missing one fails.
"""

from __future__ import annotations

from standins import firewall, state
from standins.console import Console

_ADD_ARGUMENTS = ["listenport", "connectaddress", "connectport", "listenaddress", "protocol"]
_DELETE_ARGUMENTS = ["listenport", "listenaddress", "protocol"]


def main(arguments: list[str]) -> int:
    """Run ``netsh.exe`` with these arguments; returns the exit code."""
    console = Console(state.read()["locale"])
    lowered = [argument.lower() for argument in arguments]
    code, write = 1, False
    match lowered:
        case ["interface", "portproxy", "show", "v4tov4" | "all"]:
            code = _show(console)
        case ["interface", "portproxy", "add" | "set" as verb, "v4tov4", *rest]:
            code, write = _change(console, verb, _parse(rest, _ADD_ARGUMENTS))
        case ["interface", "portproxy", "delete", "v4tov4", *rest]:
            code, write = _change(console, "delete", _parse(rest, _DELETE_ARGUMENTS))
        case ["advfirewall", "firewall", "show" | "add" | "delete" as verb, "rule", *_]:
            code, write = firewall.netsh(console, [verb, *arguments[4:]])
        case ["interface" | "int", "ipv4", "show", "excludedportrange", "protocol=tcp"]:
            code = _show_excluded(console)
        case _:
            console.say("", console.text("netsh syntax"))
    state.log_call("netsh.exe", arguments, code=code, write=write)
    return code


def _show_excluded(console: Console) -> int:
    """Layout from captured outputs; a star marks what an administrator excluded."""
    console.say("", console.text("ranges title"), "", console.text("ranges heading"))
    console.say("----------    --------")
    for first, last, administered in state.read()["excluded"]:
        console.say(f"{first:>10}{last:>12}     {'*' if administered else ''}")
    console.say("", console.text("ranges note"), "")
    return 0


def _show(console: Console) -> int:
    rules = state.read()["registry"].get(state.PORT_PROXY_KEY, {})
    if not rules:
        console.say("")
        return 0
    console.say("", console.text("rules title"), "", console.text("rules heading"))
    console.say("--------------- ----------  --------------- ----------")
    for name, value in rules.items():
        listen, connect = name.split("/"), value["data"].split("/")
        console.say(f"{listen[0]:<15} {listen[1]:<10}  {connect[0]:<15} {connect[1]}")
    console.say("")
    return 0


def _parse(arguments: list[str], names: list[str]) -> dict[str, str] | None:
    """Read ``name=value`` arguments, or values in the documented order; ``None`` when they make no sense."""
    values: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not equals:
            if position >= len(names):
                return None
            name, value = names[position], argument
        if name not in names or name in values:
            return None
        values[name] = value
    return values


def _change(console: Console, verb: str, values: dict[str, str] | None) -> tuple[int, bool]:
    if not state.elevated():
        console.say(console.text("needs elevation"), "")
        return 1, False
    if values is None or not _valid(values, needs_target=verb != "delete"):
        console.say("", console.text("netsh syntax"))
        return 1, False
    key = f"{values.get('listenaddress', '*')}/{values['listenport']}"
    with state.changing() as machine:
        rules = machine["registry"].setdefault(state.PORT_PROXY_KEY, {})
        if verb == "delete" and key not in rules:
            console.say("", console.text("no such rule"))
            return 1, False
        if verb == "delete":
            del rules[key]
        else:
            connect_port = values.get("connectport", values["listenport"])
            rules[key] = {"type": "REG_SZ", "data": f"{values['connectaddress']}/{connect_port}"}
    console.say("")
    return 0, True


def _valid(values: dict[str, str], *, needs_target: bool) -> bool:
    ports = [values.get("listenport", ""), values.get("connectport", values.get("listenport", ""))]
    return (
        all(port.isdecimal() and 0 < int(port) < 65536 for port in ports)
        and values.get("protocol", "tcp") == "tcp"
        and (not needs_target or bool(values.get("connectaddress")))
    )
