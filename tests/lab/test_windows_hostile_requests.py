"""The elevated door does what was allowed, and nothing else, whatever it is asked."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from pydantic import ValidationError
from windows_machine import SUBNET, Machine

from provision.domain import windows_door
from provision.domain.portproxy import Rule

GOOD: dict[str, Any] = {
    "version": 1,
    "nonce": "0123456789abcdef" * 2,
    "port_proxy": [
        {"listen_address": "0.0.0.0", "listen_port": 81, "connect_address": "127.0.0.1", "connect_port": 81}
    ],
}


def _rule(**fields: object) -> dict[str, Any]:
    return GOOD | {"port_proxy": [GOOD["port_proxy"][0] | fields]}


OPENING: dict[str, Any] = {"port": 81, "remote_addresses": ["LocalSubnet"], "profiles": ["Private"]}


def _opening(**fields: object) -> dict[str, Any]:
    """A good request for forwarding, with one for the firewall that is not: neither may be carried out."""
    return GOOD | {"firewall": [OPENING | fields]}


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
    "the subnet itself": _rule(connect_address="127.0.0.0"),
    "everybody in the subnet": _rule(connect_address="127.255.255.255"),
    "any listen address": _rule(listen_address="*"),
    "IPv6": _rule(listen_address="::"),
    "unknown field of a rule": _rule(protocol="udp"),
    "unknown field": GOOD | {"command": "calc.exe"},
    "all fields in one name": {"nonce,port_proxy,version": 1},
    "field in capitals": {"Version": 1, "nonce": GOOD["nonce"], "port_proxy": GOOD["port_proxy"]},
    "nothing asked for": {"version": 1, "nonce": GOOD["nonce"]},
    "null asked for": {"version": 1, "nonce": GOOD["nonce"], "port_proxy": None, "firewall": None},
    "another port let in": _opening(port=22),
    "one allowed, one other port let in": GOOD | {"firewall": [OPENING, OPENING | {"port": 3389}]},
    "let in: port as text": _opening(port="81"),
    "let in: port as true": _opening(port=True),
    "let in: range of ports": _opening(port="1-65535"),
    "let in: injected argument": _opening(remote_addresses=["LocalSubnet -Program calc.exe"]),
    "let in: injected PowerShell": _opening(remote_addresses=["$(calc.exe)"]),
    "let in: another keyword": _opening(remote_addresses=["Internet"]),
    "let in: wrong case": _opening(remote_addresses=["localsubnet"]),
    "let in: true is no keyword": _opening(remote_addresses=[True]),
    "let in: a number": _opening(remote_addresses=[3232235777]),
    "let in: name": _opening(remote_addresses=["nas"]),
    "let in: octal address": _opening(remote_addresses=["10.0.0.010"]),
    "let in: everybody by a prefix": _opening(remote_addresses=["0.0.0.0/0"]),
    "let in: prefix too long": _opening(remote_addresses=["10.0.0.0/33"]),
    "let in: two prefixes": _opening(remote_addresses=["10.0.0.0/8/8"]),
    "let in: mask": _opening(remote_addresses=["10.0.0.0/255.0.0.0"]),
    "let in: IPv6": _opening(remote_addresses=["::/0"]),
    "let in: keyword among addresses": _opening(remote_addresses=["10.0.0.1", "Any"]),
    "let in: twice the same": _opening(remote_addresses=["10.0.0.1", "10.0.0.1"]),
    "let in: nobody": _opening(remote_addresses=[]),
    "let in: addresses as text": _opening(remote_addresses="Any"),
    "let in: too many": _opening(remote_addresses=[f"10.0.0.{number}" for number in range(33)]),
    "let in: no profile": _opening(profiles=[]),
    "let in: unknown profile": _opening(profiles=["Any"]),
    "let in: profile twice": _opening(profiles=["Private", "Private"]),
    "let in: profile as true": _opening(profiles=[True]),
    "let in: outbound": _opening(direction="Outbound"),
    "let in: missing field": GOOD | {"firewall": [{"port": 81}]},
    "let in: port twice": GOOD | {"firewall": [OPENING, OPENING]},
    "let in: an object": GOOD | {"firewall": OPENING},
    "let in: text": GOOD | {"firewall": ["81"]},
    "let in: null": GOOD | {"firewall": [None]},
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
    assert (machine.rules, machine.openings, machine.writes()) == ([], {}, 0)
    assert result.message == _refusal(data)


def _refusal(data: bytes) -> str:
    """What the contract says to a request that is not the same as an earlier one."""
    if len(data) > windows_door.MAX_REQUEST_BYTES:
        return windows_door.MALFORMED
    try:
        request = windows_door.Request.model_validate_json(data)
        windows_door.check_ports(request.ports, allowed_ports=[80, 81, 443])
    except ValidationError:
        return windows_door.MALFORMED
    except windows_door.DoorRefusedError as error:
        return str(error)
    windows = IPv4Interface(SUBNET)
    reserved = (windows.ip, windows.network.network_address, windows.network.broadcast_address)
    for address in (IPv4Address(rule.connect_address) for rule in request.port_proxy or []):
        if address not in windows.network or address in reserved:
            return windows_door.ADDRESS_REFUSED.format(address, SUBNET)
    return ""


TWICE = json.dumps(GOOD).replace('"listen_port": 81', '"listen_port": 443, "listen_port": 81').encode()


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"\x00" * 10, b"[" * 10000, TWICE], ids=repr)
def test_what_is_no_plain_json_changes_nothing(machine: Machine, data: bytes) -> None:
    assert machine.door(data).message == windows_door.MALFORMED
    assert machine.writes() == 0


def test_without_wsls_adapter_nothing_is_connected_to(machine: Machine) -> None:
    machine.change(adapters={})
    assert machine.door(json.dumps(GOOD).encode()).message == windows_door.NO_ADAPTER
    assert machine.writes() == 0


def test_a_request_is_carried_out_once(machine: Machine) -> None:
    data = json.dumps(GOOD).encode()
    first = machine.door(data)
    assert first.ok
    assert first.applied == ["0.0.0.0/81 -> 127.0.0.1/81"]
    machine.netsh("delete", "listenport=81", "listenaddress=0.0.0.0")
    assert machine.door(data).message == windows_door.REPLAYED
    assert machine.rules == []


def test_the_record_of_requests_does_not_grow_for_ever(machine: Machine) -> None:
    """What is left lying there, and was the last, is still known."""
    record = machine.drive / windows_door.FOLDER / "used-nonces.txt"
    old = [f"{number:032x}" for number in range(windows_door.REMEMBERED_NONCES)]
    record.write_text("".join(f"{nonce}\n" for nonce in old))
    data = json.dumps(GOOD).encode()
    assert machine.door(data).ok
    assert record.read_text().split() == [*old[1:], GOOD["nonce"]]
    assert machine.door(data).message == windows_door.REPLAYED


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


def test_the_door_leaves_what_it_is_not_asked_about(machine: Machine) -> None:
    both = GOOD | {"firewall": [OPENING]}
    assert machine.door(json.dumps(both).encode()).ok
    opened = machine.openings
    assert list(opened) == ["dify-vllm-deploy-tcp-81"]
    only_rules = GOOD | {"nonce": "1" * 32, "port_proxy": []}
    assert machine.door(json.dumps(only_rules).encode()).ok
    assert (machine.rules, machine.openings) == ([], opened)
    only_firewall = {"version": 1, "nonce": "2" * 32, "firewall": []}
    assert machine.door(json.dumps(only_firewall).encode()).removed == ["dify-vllm-deploy-tcp-81"]
    assert machine.openings == {}
