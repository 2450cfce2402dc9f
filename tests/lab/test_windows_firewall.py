"""The firewall operation over Windows' stand-ins on this machine: drift, copies, who is let in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyinfra_run import Run, apply_operation
from windows_machine import Machine

from lab.windows.packet_filter import lets_in
from provision.domain import windows_door
from provision.domain.firewall import POLICY_KEY, Opening
from provision.operations.windows import let_in

NAME = "dify-vllm-deploy-tcp-81"
LAN = Opening(81, ("LocalSubnet",), ("Domain", "Private"))

Apply = Callable[..., Run]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "c")
    machine.change(adapters={"Ethernet": "192.168.1.117/24", "vEthernet (WSL)": "172.19.160.1/20"})
    return machine


@pytest.fixture
def apply(machine: Machine) -> Apply:
    def run(openings: Sequence[Opening], **arguments: Any) -> Run:
        return apply_operation(let_in, openings=openings, drive=str(machine.drive), **arguments)

    return run


def _lets_in(machine: Machine, peer: str, **changes: Any) -> bool:
    return lets_in(json.loads((machine.drive / "lab/state.json").read_text("utf-8")) | changes, 81, peer)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_second_run_changes_nothing(machine: Machine, apply: Apply, locale: str) -> None:
    machine.change(locale=locale)
    assert not _lets_in(machine, "192.168.1.5")
    assert apply([LAN]) == Run(ok=True, changed=True)
    assert list(machine.openings) == [NAME]
    assert machine.writes() == 1
    seen = len(machine.calls)
    assert apply([LAN]) == Run(ok=True, changed=False)
    assert {call["program"] for call in machine.calls[seen:]} == {"reg.exe"}


@pytest.mark.parametrize(
    ("opening", "peers"),
    [
        (LAN, {"192.168.1.5"}),
        (Opening(81, ("Any",), ("Private",)), {"192.168.1.5", "10.8.0.5", "8.8.8.8", "10.9.0.5"}),
        (Opening(81, ("10.8.0.0/16", "8.8.8.8"), ("Private",)), {"10.8.0.5", "8.8.8.8"}),
        (Opening(81, ("Any",), ("Public",)), set()),
        (Opening(80, ("Any",), ("Private",)), set()),
    ],
)
def test_who_is_let_in(machine: Machine, apply: Apply, opening: Opening, peers: set[str]) -> None:
    assert apply([opening]).ok
    asked = {"192.168.1.5", "10.8.0.5", "8.8.8.8", "10.9.0.5"}
    assert {peer for peer in asked if _lets_in(machine, peer)} == peers
    assert apply([opening]) == Run(ok=True, changed=False)
    assert apply([]) == Run(ok=True, changed=True)
    assert not any(_lets_in(machine, peer) for peer in asked)
    assert machine.openings == {}
    assert apply([]) == Run(ok=True, changed=False)


def _edit(machine: Machine, before: str, after: str) -> None:
    path = machine.drive / "lab/state.json"
    state = json.loads(path.read_text("utf-8"))
    key = next(key for key in state["registry"] if key.endswith("FirewallRules"))
    rule = state["registry"][key][NAME]
    assert before in rule["data"]
    rule["data"] = rule["data"].replace(before, after)
    path.write_text(json.dumps(state), "utf-8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Active=TRUE", "Active=FALSE"),
        ("LPort=81", "LPort=22"),
        ("RA4=LocalSubnet|RA6=LocalSubnet|", ""),
        ("Action=Allow", "Action=Block"),
    ],
)
def test_drift_is_mended(machine: Machine, apply: Apply, before: str, after: str) -> None:
    apply([LAN])
    good = machine.openings
    _edit(machine, before, after)
    assert apply([LAN]) == Run(ok=True, changed=True)
    assert machine.openings == good
    machine.advfirewall("delete", f"name={NAME}")
    assert apply([LAN]) == Run(ok=True, changed=True)
    assert machine.openings == good


def test_copies_and_old_ports_are_cleaned_and_rules_of_others_stay(machine: Machine, apply: Apply) -> None:
    apply([Opening(80, ("Any",), ("Private",))])
    for name in (NAME, NAME, "Dify of mine"):
        machine.advfirewall("add", f"name={name}", "dir=in", "action=allow", "protocol=TCP", "localport=81")
    assert len(machine.openings) == 3
    assert apply([LAN]) == Run(ok=True, changed=True)
    assert list(machine.openings) == [NAME]
    assert machine.advfirewall("show", "name=Dify of mine")[0] == 0


def test_a_port_that_is_not_allowed_is_told_before_the_door_is_asked(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    assert not apply([Opening(82, ("Any",), ("Private",))]).ok
    assert windows_door.PORT_REFUSED.format(82, "80, 81, 443") in caplog.text
    assert machine.writes() == 0


def test_a_group_policy_that_ignores_our_rule_is_named(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    state = json.loads((machine.drive / "lab/state.json").read_text("utf-8"))
    key = POLICY_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE") + "\\PrivateProfile"
    ignoring = {"AllowLocalPolicyMerge": {"type": "REG_DWORD", "data": "0x0"}}
    machine.change(registry=state["registry"] | {key: ignoring})
    assert apply([LAN]).ok
    assert (
        "a group policy has Windows ignore local firewall rules on networks of profile Private" in caplog.text
    )


def test_broken_interop_is_told(machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture) -> None:
    (machine.drive / "Windows/System32/reg.exe").write_text("#!/bin/sh\nexit 126\n")
    assert not apply([LAN]).ok
    assert "cannot read Windows' firewall rules" in caplog.text


def test_a_rule_that_blocks_wins(machine: Machine, apply: Apply) -> None:
    apply([LAN])
    assert _lets_in(machine, "192.168.1.5")
    machine.advfirewall("add", "name=no", "dir=in", "action=block", "protocol=TCP", "localport=81")
    assert not _lets_in(machine, "192.168.1.5")


def test_windows_itself_is_not_asked(machine: Machine) -> None:
    assert _lets_in(machine, "127.0.0.1")
    assert _lets_in(machine, "192.168.1.117")
