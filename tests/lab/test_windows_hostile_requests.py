"""The elevated door does what was allowed, and nothing else, whatever it is asked."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from windows_machine import SUBNET, Machine

from provision.domain import windows_door
from provision.domain.portproxy import Rule


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "c")


GOOD: dict[str, Any] = {
    "version": 1,
    "nonce": "0123456789abcdef" * 2,
    "port_proxy": [
        {"listen_address": "0.0.0.0", "listen_port": 81, "connect_address": "127.0.0.1", "connect_port": 81}
    ],
}


def _rule(**fields: object) -> dict[str, Any]:
    return GOOD | {"port_proxy": [GOOD["port_proxy"][0] | fields]}


HOSTILE: dict[str, object] = {
    "another port": _rule(listen_port=22),
    "port as text": _rule(listen_port="81"),
    "port as true": _rule(listen_port=True),
    "port as a fraction": _rule(connect_port=81.5),
    "port out of range": _rule(connect_port=65536),
    "injected command": _rule(connect_address="127.0.0.1 & calc.exe"),
    "injected argument": _rule(connect_address="127.0.0.1 listenport=22"),
    "injected PowerShell": _rule(listen_address="$(calc.exe)"),
    "line break": _rule(connect_address="127.0.0.1\n"),
    "name": _rule(connect_address="localhost"),
    "short address": _rule(connect_address="127.1"),
    "octal address": _rule(connect_address="127.0.0.010"),
    "foreign digits": _rule(connect_address="127.0.0.١"),
    "foreign address": _rule(connect_address="192.168.1.5"),
    "Windows itself": _rule(connect_address="127.0.0.200"),
    "any listen address": _rule(listen_address="*"),
    "IPv6": _rule(listen_address="::"),
    "unknown field of a rule": _rule(protocol="udp"),
    "unknown field": GOOD | {"command": "calc.exe"},
    "missing field": {"version": 1, "nonce": GOOD["nonce"]},
    "other version": GOOD | {"version": 2},
    "no nonce": GOOD | {"nonce": ""},
    "nonce with a path": GOOD | {"nonce": "..\\..\\0123456789abcdef01234567"},
    "rules as an object": GOOD | {"port_proxy": GOOD["port_proxy"][0]},
    "rule as text": GOOD | {"port_proxy": ["0.0.0.0/81"]},
    "two rules for one pair": GOOD | {"port_proxy": GOOD["port_proxy"] * 2},
    "too many rules": GOOD
    | {"port_proxy": [GOOD["port_proxy"][0] | {"listen_port": port} for port in range(80, 97)]},
    "a list": [GOOD],
    "null": None,
    "too long": GOOD | {"nonce": "0" * 20000},
}


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_changes_nothing(machine: Machine, request_: object) -> None:
    data = json.dumps(request_).encode()
    result = machine.door(data)
    assert not result.ok
    assert (machine.rules, machine.writes()) == ([], 0)
    assert result.message == _refusal(data)


def _refusal(data: bytes) -> str:
    """What the contract's own checks say to a request."""
    try:
        request = windows_door.read_request(data, used_nonces=())
        windows_door.check_ports([r.listen_port for r in request.port_proxy], allowed_ports=[80, 81, 443])
        targets = [rule.connect_address for rule in request.port_proxy]
        windows_door.check_addresses(targets, windows_address=IPv4Interface(SUBNET))
    except windows_door.DoorRefusedError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"\x00" * 10, b"[" * 10000], ids=repr)
def test_what_is_no_json_changes_nothing(machine: Machine, data: bytes) -> None:
    assert machine.door(data).message == windows_door.MALFORMED
    assert machine.writes() == 0


def test_a_request_is_carried_out_once(machine: Machine) -> None:
    data = json.dumps(GOOD).encode()
    first = machine.door(data)
    assert first.ok
    assert first.applied == ["0.0.0.0/81 -> 127.0.0.1/81"]
    machine.netsh("delete", "listenport=81", "listenaddress=0.0.0.0")
    assert machine.door(data).message == windows_door.REPLAYED
    assert machine.rules == []


def test_the_door_leaves_rules_of_others(machine: Machine) -> None:
    machine.netsh("add", "listenport=8080", "connectaddress=nas")
    machine.netsh("add", "listenport=81", "connectaddress=nas")
    refused = machine.door(json.dumps(GOOD).encode())
    assert refused.message == windows_door.FOREIGN_RULE.format(81, "*/81 -> nas/81")
    assert len(machine.rules) == 2
    machine.netsh("delete", "listenport=81")
    assert machine.door(json.dumps(GOOD | {"nonce": "1" * 32}).encode()).ok
    emptied = machine.door(json.dumps(GOOD | {"nonce": "2" * 32, "port_proxy": []}).encode())
    assert emptied.removed == ["0.0.0.0/81"]
    assert machine.rules == [Rule("*", 8080, "nas", 8080)]
