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

from standins import state

FOLDER = state.DRIVE / "Program Files/dify-vllm-deploy"
REQUEST = state.DRIVE / "ProgramData/dify-vllm-deploy/request.json"
NETSH = state.DRIVE / "Windows/System32/netsh.exe"
MAX_BYTES = 16384
RULE_FIELDS = {"listen_address", "listen_port", "connect_address", "connect_port"}

MALFORMED = "the request does not have the form that this door accepts"
REPLAYED = "this request was handled before"
PORT_REFUSED = "listen port {0} is not among the ports that the administrator allowed: {1}"
NO_ADAPTER = "Windows has no network adapter of WSL; with mirrored networking no rule is needed"
ADDRESS_REFUSED = "connect address {0} is no address of a distribution in the subnet of WSL, {1}"
FOREIGN_RULE = "listen port {0} belongs to a rule that this door did not make: {1}"
NOT_APPLIED = "netsh did not make the wanted change, the registry still has: {0}"

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
        wanted = _check(request)
        _apply(wanted, result)
        result["ok"] = True
    except RefusedError as refusal:
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
        request = json.loads(data.decode("utf-8")) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        request = None
    if not _has_form(request):
        raise RefusedError(MALFORMED)
    assert isinstance(request, dict)
    return request


def _has_form(request: object) -> bool:
    if not isinstance(request, dict) or set(request) != {"version", "nonce", "port_proxy"}:
        return False
    if not _is_number(request["version"], 1, 1) or not _matches(r"[0-9a-f]{32}", request["nonce"]):
        return False
    rules = request["port_proxy"]
    if not isinstance(rules, list) or len(rules) > 16 or not all(_rule_has_form(rule) for rule in rules):
        return False
    return len({(rule["listen_address"], rule["listen_port"]) for rule in rules}) == len(rules)


def _rule_has_form(rule: object) -> bool:
    return (
        isinstance(rule, dict)
        and set(rule) == RULE_FIELDS
        and all(_is_number(rule[name], 1, 65535) for name in ("listen_port", "connect_port"))
        and all(_is_address(rule[name]) for name in ("listen_address", "connect_address"))
    )


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


def _check(request: dict[str, Any]) -> Rules:
    """Check a well-formed request against what the administrator allowed; returns the wanted rules."""
    used = FOLDER / "used-nonces.txt"
    if used.exists() and request["nonce"] in used.read_text("ascii").split():
        raise RefusedError(REPLAYED)
    with used.open("a", encoding="ascii") as nonces:
        nonces.write(request["nonce"] + "\n")
    allowed = json.loads((FOLDER / "settings.json").read_text("utf-8"))["allowed_ports"]
    for rule in request["port_proxy"]:
        if rule["listen_port"] not in allowed:
            listed = ", ".join(str(port) for port in sorted(allowed))
            raise RefusedError(PORT_REFUSED.format(rule["listen_port"], listed))
    for rule in request["port_proxy"]:
        _check_address(rule["connect_address"])
    return {
        f"{rule['listen_address']}/{rule['listen_port']}": f"{rule['connect_address']}/{rule['connect_port']}"
        for rule in request["port_proxy"]
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
