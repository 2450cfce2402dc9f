"""The elevated door's contract, and that the PowerShell scripts keep to it."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

from provision.domain import firewall, windows_door
from provision.domain.firewall import PROFILES, Opening
from provision.domain.portproxy import Rule
from provision.domain.windows_door import DoorRefusedError, Request, RequestedOpening, RequestedRule
from provision.domain.wsl_settings import HOLD_TASK

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "bootstrap/windows.ps1", ROOT / "bootstrap/door.ps1"]
DOORS = [ROOT / "bootstrap/door.ps1", ROOT / "lab/windows/drive/lab/standins/door.py"]
TEXTS = (
    "MALFORMED",
    "REPLAYED",
    "PORT_REFUSED",
    "NO_ADAPTER",
    "ADDRESS_REFUSED",
    "FOREIGN_RULE",
    "NOT_APPLIED",
    "NOT_OPENED",
)
NONCE = "0123456789abcdef" * 2
RULE = Rule("0.0.0.0", 81, "172.19.173.46", 81)
WINDOWS = IPv4Interface("172.19.160.1/20")


def test_a_request_survives_the_way_to_the_door() -> None:
    request = Request(nonce=NONCE, port_proxy=[RequestedRule.of(RULE)])
    assert windows_door.read_request(request.model_dump_json().encode(), used_nonces=()) == request
    assert json.loads(request.model_dump_json(exclude_none=True)) == {
        "version": 1,
        "nonce": NONCE,
        "port_proxy": [
            {
                "listen_address": "0.0.0.0",
                "listen_port": 81,
                "connect_address": "172.19.173.46",
                "connect_port": 81,
            }
        ],
    }


def test_openings_survive_the_way_to_the_door() -> None:
    openings = [
        Opening(81, ("LocalSubnet",), ("Domain", "Private")),
        Opening(443, ("10.8.0.5", "192.168.1.0/24"), PROFILES),
    ]
    request = Request(nonce=NONCE, firewall=[RequestedOpening.of(each) for each in openings])
    sent = request.model_dump_json(exclude_none=True).encode()
    assert windows_door.read_request(sent, used_nonces=()) == request
    assert "port_proxy" not in json.loads(sent)
    assert request.ports == [81, 443]


def test_a_request_asks_for_something() -> None:
    for nothing in ({}, {"port_proxy": None}, {"port_proxy": None, "firewall": None}):
        data = json.dumps({"version": 1, "nonce": NONCE, **nothing}).encode()
        with pytest.raises(DoorRefusedError, match=windows_door.MALFORMED):
            windows_door.read_request(data, used_nonces=())


def test_a_request_is_good_once() -> None:
    data = Request(nonce=NONCE, port_proxy=[]).model_dump_json().encode()
    with pytest.raises(DoorRefusedError, match=windows_door.REPLAYED):
        windows_door.read_request(data, used_nonces={NONCE})


def test_only_allowed_ports_are_listened_on() -> None:
    windows_door.check_ports([81], allowed_ports=[443, 81])
    with pytest.raises(DoorRefusedError, match=r"^port 22 is not among .* allowed: 81, 443$"):
        windows_door.check_ports([81, 22], allowed_ports=[443, 81])


@pytest.mark.parametrize(
    "address", ["172.19.160.1", "172.19.160.0", "172.19.175.255", "172.19.176.1", "127.0.0.1", "192.168.1.5"]
)
def test_only_addresses_of_distributions_are_connected_to(address: str) -> None:
    windows_door.check_addresses(["172.19.173.46"], windows_address=WINDOWS)
    with pytest.raises(DoorRefusedError, match=f"^connect address {address} is no address of a distribution"):
        windows_door.check_addresses([address], windows_address=WINDOWS)


def test_without_wsls_adapter_nothing_is_connected_to() -> None:
    with pytest.raises(DoorRefusedError, match=windows_door.NO_ADAPTER):
        windows_door.check_addresses(["172.19.173.46"], windows_address=None)


def test_half_written_files_are_no_files() -> None:
    assert windows_door.parse_result(b'{"version": 1, "nonce":') is None
    assert windows_door.parse_settings(b"") is None
    assert windows_door.parse_owned_rules(b"0.0.0.0/81\r\n0.0.0.0/443\r\n") == {"0.0.0.0/81", "0.0.0.0/443"}


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.name)
@pytest.mark.parametrize("name", TEXTS)
def test_every_door_refuses_in_the_same_words(door: Path, name: str) -> None:
    assert getattr(windows_door, name) in door.read_text("utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_parse(script: Path) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    assert not parser.parse(script.read_bytes()).root_node.has_error


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_plain_and_execute_no_text(script: Path) -> None:
    text = script.read_text(
        "ascii"
    )  # Windows PowerShell reads a file without BOM in the machine's code page.
    for word in ("Invoke-Expression", "iex ", "ScriptBlock]::Create", "Start-Process", "Add-Type"):
        assert word.lower() not in text.lower()


def test_nothing_in_a_distribution_is_started_with_an_administrators_rights() -> None:
    bootstrap, door = (script.read_text("ascii") for script in SCRIPTS)
    assert "wsl.exe" not in door.lower()
    started = [line.strip() for line in bootstrap.splitlines() if line.strip().startswith("& ")]
    assert started == ["& $wsl --install --distribution $Distribution --no-launch"]
    assert bootstrap.count("-RunLevel") == 2
    assert "-UserId $Owner -LogonType S4U -RunLevel Limited" in bootstrap
    assert "-Trigger $triggers" in bootstrap


def test_the_scripts_agree_on_names_with_the_deploy() -> None:
    bootstrap, door = (script.read_text("ascii") for script in SCRIPTS)
    assert f"$TaskName = '{windows_door.TASK_NAME}'" in bootstrap
    assert f"$HoldTaskName = '{HOLD_TASK}'" in bootstrap
    assert f"'{windows_door.REQUEST.relative_to('ProgramData')}'".replace("/", "\\") in door
    for path in (windows_door.SETTINGS, windows_door.OWNED_RULES, windows_door.RESULT):
        assert f"'{path.name}'" in door
    assert f"$MaxBytes = {windows_door.MAX_REQUEST_BYTES}" in door
    assert f"$RulePrefix = '{firewall.RULE_PREFIX}'" in door
    assert f"'{firewall.REGISTRY_KEY.replace('HKLM', 'HKLM:')}'" in door


def test_the_elevated_script_can_be_read_in_one_go() -> None:
    assert len((ROOT / "bootstrap/door.ps1").read_text("ascii").splitlines()) < 250


def test_no_script_switches_the_firewall_off() -> None:
    for script in SCRIPTS:
        text = script.read_text("ascii").lower()
        assert "set-netfirewallprofile" not in text
        assert "state off" not in text
