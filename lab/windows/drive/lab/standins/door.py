"""Stand-in of ``bootstrap/door.ps1``: the same checks in the same order with the same texts, in Python.

It is written on its own, from the contract, and shares no code with the deploy. So it can disagree with the
deploy's model, and a test compares both over a table of hostile requests.
"""

from __future__ import annotations

import json
import re
import subprocess
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from standins import firewall, state

FOLDER = state.DRIVE / "Program Files/dify-vllm-deploy"
REQUEST = state.DRIVE / "ProgramData/dify-vllm-deploy/request.json"
NETSH = state.DRIVE / "Windows/System32/netsh.exe"
MAX_BYTES = 16384
REMEMBERED_NONCES = 1000
RULE_FIELDS = {"listen_address", "listen_port", "connect_address", "connect_port"}

MALFORMED = "the request does not have the form that this door accepts"
REPLAYED = "this request was handled before"
PORT_REFUSED = "port {0} is not among the ports that the administrator allowed: {1}"
NO_ADAPTER = "Windows has no network adapter of WSL; with mirrored networking no rule is needed"
ADDRESS_REFUSED = "connect address {0} is no address of a distribution in the subnet of WSL, {1}"
FOREIGN_RULE = "listen port {0} belongs to a rule that this door did not make: {1}"
NOT_APPLIED = "netsh did not make the wanted change, the registry still has: {0}"
NOT_OPENED = "Windows did not make the wanted change of its firewall, the registry still has: {0}"

RULE_PREFIX = "dify-vllm-deploy-tcp-"
OPENING_FIELDS = {"port", "remote_addresses", "profiles"}
PROFILES = ("Domain", "Private", "Public")
KEYWORDS = ("Any", "LocalSubnet")

Rules = dict[str, str]


class RefusedError(Exception):
    """The request is not carried out."""


def main() -> int:
    """Handle the one request file; returns the exit code of the task."""
    result: dict[str, Any] = {
        "version": 1,
        "nonce": None,
        "ok": False,
        "message": "",
        "applied": [],
        "removed": [],
    }
    try:
        request = _read_request()
        result["nonce"] = request["nonce"]
        _check(request)
        if request.get("port_proxy") is not None:
            _apply(_rules(request["port_proxy"]), result)
        if request.get("firewall") is not None:
            _open(request["firewall"], result)
        result["ok"] = True
    except (RefusedError, firewall.FirewallError) as refusal:
        result["message"] = str(refusal)
    fresh = FOLDER / "result.new"
    fresh.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    fresh.replace(FOLDER / "result.json")
    code = 0 if result["ok"] else 1
    state.log_call("door", [], code=code, write=bool(result["applied"] or result["removed"]))
    return code


def _read_request() -> dict[str, Any]:
    try:
        data = REQUEST.read_bytes()
        text = data.decode("utf-8") if len(data) <= MAX_BYTES else "null"
        request = json.loads(text, object_pairs_hook=_fields)
    except (OSError, ValueError, RecursionError):
        request = None
    if not _has_form(request):
        raise RefusedError(MALFORMED)
    assert isinstance(request, dict)
    return request


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _has_form(request: object) -> bool:
    if not isinstance(request, dict) or not {"version", "nonce"} <= set(request):
        return False
    if set(request) - {"version", "nonce", "port_proxy", "firewall"}:
        return False
    if not _is_number(request["version"], 1, 1) or not _matches(r"[0-9a-f]{32}", request["nonce"]):
        return False
    parts = [request.get("port_proxy"), request.get("firewall")]
    if parts == [None, None]:
        return False
    if not all(part is None or (isinstance(part, list) and len(part) <= 16) for part in parts):
        return False
    rules, openings = (part or [] for part in parts)
    if not all(map(_rule_has_form, rules)) or not all(map(_opening_has_form, openings)):
        return False
    places = [(rule["listen_address"], rule["listen_port"]) for rule in rules]
    places += [("firewall", opening["port"]) for opening in openings]
    return len({*places}) == len(places)


def _rule_has_form(rule: object) -> bool:
    return (
        isinstance(rule, dict)
        and set(rule) == RULE_FIELDS
        and all(_is_number(rule[name], 1, 65535) for name in ("listen_port", "connect_port"))
        and all(_is_address(rule[name]) for name in ("listen_address", "connect_address"))
    )


def _opening_has_form(opening: object) -> bool:
    if not isinstance(opening, dict) or set(opening) != OPENING_FIELDS:
        return False
    remotes, profiles = opening["remote_addresses"], opening["profiles"]
    if not all(isinstance(part, list) and part for part in (remotes, profiles)):
        return False
    if not all(isinstance(each, str) for each in (*remotes, *profiles)) or len(remotes) > 32:
        return False
    if len({*remotes}) < len(remotes) or len({*profiles}) < len(profiles):
        return False
    alone = len(remotes) == 1 or not {*KEYWORDS} & {*remotes}
    known = all(map(_is_remote, remotes)) and {*profiles} <= {*PROFILES}
    return _is_number(opening["port"], 1, 65535) and alone and known


def _is_remote(value: str) -> bool:
    address, slash, length = value.partition("/")
    prefix = not slash or _matches(r"3[0-2]|[12][0-9]|[1-9]", length)
    return value in KEYWORDS or (_is_address(address) and prefix)


def _is_number(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _is_address(value: object) -> bool:
    # A spelling that does not come back the same (octal, short) could mean two things to two programs.
    if not isinstance(value, str) or not _matches(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", value):
        return False
    try:
        return str(IPv4Address(value)) == value
    except ValueError:
        return False


def _check(request: dict[str, Any]) -> None:
    """Check a well-formed request against what the administrator allowed."""
    used = FOLDER / "used-nonces.txt"
    nonces = used.read_text("ascii").split() if used.exists() else []
    if request["nonce"] in nonces:
        raise RefusedError(REPLAYED)
    remembered = [*nonces, request["nonce"]][-REMEMBERED_NONCES:]
    used.write_text("".join(f"{nonce}\n" for nonce in remembered), "ascii")
    allowed = json.loads((FOLDER / "settings.json").read_text("utf-8"))["allowed_ports"]
    rules = request.get("port_proxy") or []
    openings = request.get("firewall") or []
    for port in [*(rule["listen_port"] for rule in rules), *(opening["port"] for opening in openings)]:
        if port not in allowed:
            listed = ", ".join(str(each) for each in sorted(allowed))
            raise RefusedError(PORT_REFUSED.format(port, listed))
    for rule in rules:
        _check_address(rule["connect_address"])


def _rules(requested: list[dict[str, Any]]) -> Rules:
    return {
        f"{rule['listen_address']}/{rule['listen_port']}": f"{rule['connect_address']}/{rule['connect_port']}"
        for rule in requested
    }


def _check_address(text: str) -> None:
    adapters = state.read()["adapters"]
    ours = [address for name, address in adapters.items() if name.startswith("vEthernet (WSL")]
    if not ours:
        raise RefusedError(NO_ADAPTER)
    windows = IPv4Interface(ours[0])
    subnet = windows.network
    reserved = (windows.ip, subnet.network_address, subnet.broadcast_address)
    if IPv4Address(text) not in subnet or IPv4Address(text) in reserved:
        raise RefusedError(ADDRESS_REFUSED.format(text, ours[0]))


def _apply(wanted: Rules, result: dict[str, Any]) -> None:
    """Change what differs, rules of others never; then look at the registry again."""
    record = FOLDER / "owned-rules.txt"
    owned = record.read_text("ascii").split() if record.exists() else []
    current = _registry()
    ports = {key.rpartition("/")[2] for key in wanted}
    for key, target in current.items():
        port = key.rpartition("/")[2]
        if port in ports and key not in owned and wanted.get(key) != target:
            raise RefusedError(FOREIGN_RULE.format(port, f"{key} -> {target}"))
    # Recorded first: a rule that is set but not recorded would be foreign to the next run.
    _record(sorted({*owned, *wanted}))
    for key in owned:
        if key in current and key not in wanted:
            address, port = key.split("/")
            _netsh("delete", f"listenaddress={address}", f"listenport={port}")
            result["removed"].append(key)
    for key, target in wanted.items():
        if current.get(key) != target:
            (address, port), (to_address, to_port) = key.split("/"), target.split("/")
            _netsh(
                "set",
                f"listenaddress={address}",
                f"listenport={port}",
                f"connectaddress={to_address}",
                f"connectport={to_port}",
            )
            result["applied"].append(f"{key} -> {target}")
    after = _registry()
    if any(key in after for key in result["removed"]) or any(after.get(key) != wanted[key] for key in wanted):
        listed = ", ".join(f"{key} -> {target}" for key, target in after.items())
        raise RefusedError(NOT_APPLIED.format(listed))
    _record(sorted(wanted))


def _open(openings: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Make all of our firewall rules anew; rules of others stay."""
    for name in _opening_names():
        firewall.remove_rule(name)
        result["removed"].append(name)
    for opening in openings:
        name = f"{RULE_PREFIX}{opening['port']}"
        firewall.new_rule(name, opening["port"], opening["remote_addresses"], opening["profiles"])
        result["applied"].append(name)
    after = _opening_names()
    if after != sorted(f"{RULE_PREFIX}{opening['port']}" for opening in openings):
        raise RefusedError(NOT_OPENED.format(", ".join(after)))


def _opening_names() -> list[str]:
    ours = (name for name in firewall.rule_names()
            if name.startswith(RULE_PREFIX) or f"|Name={RULE_PREFIX}" in firewall.rule(name))  # fmt: skip
    return sorted(ours)


def _record(keys: list[str]) -> None:
    (FOLDER / "owned-rules.txt").write_text("".join(f"{key}\n" for key in keys), "ascii")


def _registry() -> Rules:
    values = state.read()["registry"].get(state.PORT_PROXY_KEY, {})
    return {name: value["data"] for name, value in values.items()}


def _netsh(verb: str, *arguments: str) -> None:
    # The exit code is not looked at: the registry tells what came of it.
    subprocess.run(
        [NETSH, "interface", "portproxy", verb, "v4tov4", *arguments, "protocol=tcp"],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
