"""The elevated door's contract, and that the PowerShell scripts keep to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell
from pydantic import ValidationError

from provision.domain import firewall, windows_door
from provision.domain.bootstrap import bootstrap_line
from provision.domain.firewall import PROFILES, Opening
from provision.domain.portproxy import Rule
from provision.domain.windows_door import (
    DoorRefusedError,
    Request,
    RequestedOpening,
    RequestedRule,
    Settings,
)
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


def test_a_request_survives_the_way_to_the_door() -> None:
    request = Request(nonce=NONCE, port_proxy=[RequestedRule.of(RULE)])
    assert Request.model_validate_json(request.model_dump_json()) == request
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
    assert Request.model_validate_json(sent) == request
    assert "port_proxy" not in json.loads(sent)
    assert request.ports == [81, 443]


def test_a_request_asks_for_something() -> None:
    for nothing in ({}, {"port_proxy": None}, {"port_proxy": None, "firewall": None}):
        data = json.dumps({"version": 1, "nonce": NONCE, **nothing}).encode()
        with pytest.raises(ValidationError, match="nothing is asked for"):
            Request.model_validate_json(data)


def test_only_allowed_ports_are_listened_on() -> None:
    windows_door.check_ports([81], allowed_ports=[443, 81])
    with pytest.raises(DoorRefusedError, match=r"^port 22 is not among .* allowed: 81, 443$"):
        windows_door.check_ports([81, 22], allowed_ports=[443, 81])


def test_what_the_administrator_said_is_read() -> None:
    written = b'{"version": 1, "allowed_ports": [], "owner": "PC\\\\gx", "distribution": "Debian"}'
    assert windows_door.parse_settings(written) == Settings(
        allowed_ports=[], owner="PC\\gx", distribution="Debian"
    )


def test_every_line_to_run_is_made_in_one_place() -> None:
    assert bootstrap_line([443, 81, 81]).endswith(r" -File bootstrap\windows.ps1 -AllowedPorts 81,443")
    assert bootstrap_line().endswith(r" -File bootstrap\windows.ps1")
    assert bootstrap_line(options="-Distribution Debian").endswith(r"windows.ps1 -Distribution Debian")
    code = [path for folder in ("provision", "tasks") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in code if r"bootstrap\windows.ps1" in path.read_text("utf-8")] == [
        "bootstrap.py"
    ]


def test_the_script_takes_every_option_that_is_advised() -> None:
    """And none has to be given: the door may open nothing."""
    text = SCRIPTS[0].read_text("ascii")
    parameters = text.partition("param(")[2].partition("\n)")[0]
    for option in ("AllowedPorts", "ReplacePorts", "Owner", "Distribution", "PublicKey"):
        assert re.search(rf"\] \${option}\b", parameters), option
        assert f".PARAMETER {option}" in text
    assert "Mandatory" not in parameters


def test_what_was_said_before_holds_on() -> None:
    text = SCRIPTS[0].read_text("ascii")
    for name in windows_door.Settings.model_fields:
        assert re.search(rf"@\{{.*\b{name} = ", text), name
    for name in ("allowed_ports", "owner", "distribution"):
        assert f"Get-Kept '{name}'" in text


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
    assert f"$RememberedNonces = {windows_door.REMEMBERED_NONCES}" in door
    assert f"$RulePrefix = '{firewall.RULE_PREFIX}'" in door
    assert f"'{firewall.REGISTRY_KEY.replace('HKLM', 'HKLM:')}'" in door


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_elevated_scripts_can_be_read_in_one_go(script: Path) -> None:
    assert len(script.read_text("ascii").splitlines()) < 250


def test_a_key_of_a_common_account_makes_nobody_an_administrator() -> None:
    """Its own file, with rights for it; a link that it could have made there is not followed."""
    text = SCRIPTS[0].read_text("ascii")
    add_key = text.partition("function Add-Key {")[2].partition("\n}")[0]
    administrators, _, others = add_key.partition("else {")
    assert "if ($administrators -contains $ownerSid) {" in administrators
    assert r"'ssh\administrators_authorized_keys'" in administrators
    assert "S-1-5-32-544" in administrators
    assert r"'.ssh\authorized_keys'" in others
    assert '$rights += "(A;;FA;;;$ownerSid)"' in others
    assert others.index("LinkType") < others.index("ReadAllLines") < others.index("Move-Item")
    assert text.count("administrators_authorized_keys") == 1


def test_no_script_switches_the_firewall_off() -> None:
    for script in SCRIPTS:
        text = script.read_text("ascii").lower()
        assert "set-netfirewallprofile" not in text
        assert "state off" not in text
