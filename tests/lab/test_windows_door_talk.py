"""The deploy at the elevated door: not alone there, and believing Windows' registry first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyinfra_run import Run, apply_operation
from windows_machine import Machine

from provision.domain import windows_door
from provision.domain.portproxy import Rule
from provision.operations.windows import let_in, port_proxy

Apply = Callable[..., Run]
NONCE = "0123456789abcdef" * 2

# A door that answers somebody else, after it has done what INSTEAD says.
BUSY = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
cp ../../ProgramData/dify-vllm-deploy/request.json seen.json
{instead}
printf '{{"version":1,"nonce":"%s","ok":false,"message":"refused",' {nonce} >result.json
printf '"applied":[],"removed":[]}}' >>result.json
"""
MADE = "LAB_WINDOWS_ELEVATED=1 ../../Windows/System32/netsh.exe interface portproxy {0} >netsh.txt"


def busy(machine: Machine, instead: str = ":", nonce: str = NONCE) -> None:
    door = machine.drive / windows_door.FOLDER / "door.py"
    door.write_text(BUSY.format(instead=instead, nonce=nonce))


def add(port: int) -> str:
    rule = f"set v4tov4 listenaddress=0.0.0.0 listenport={port} connectaddress=127.0.0.1 connectport={port}"
    return MADE.format(rule)


def test_somebody_elses_answer_is_none_while_windows_is_not_as_wanted(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    busy(machine)
    assert not apply(forwards={81: 81}, timeout=3).ok
    assert (
        "the door has answered somebody else's request and not this one, and Windows has no rule "
        "0.0.0.0:81 -> 127.0.0.1:81; run again"
    ) in caplog.text


def test_the_wanted_rules_are_enough_whomever_the_door_has_answered(machine: Machine, apply: Apply) -> None:
    busy(machine, add(81))
    assert apply(forwards={81: 81}, timeout=30) == Run(ok=True, changed=True)
    assert machine.rules == [Rule("0.0.0.0", 81, "127.0.0.1", 81)]


def test_a_second_look_at_our_own_request_is_no_refusal_of_it(machine: Machine, apply: Apply) -> None:
    """Asked twice, the door finds the request that it has just carried out, and refuses it as a replay."""
    nonce = """$(sed 's/.*"nonce":"//;s/".*//' seen.json)"""
    busy(machine, add(81), nonce)
    assert apply(forwards={81: 81}, timeout=30) == Run(ok=True, changed=True)


def test_a_rule_of_ours_that_is_to_go_counts_too(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    assert apply(forwards={81: 81}).ok
    busy(machine)
    assert not apply(forwards={}, timeout=3).ok
    assert "Windows still has the rule 0.0.0.0:81 -> 127.0.0.1:81" in caplog.text
    busy(machine, MADE.format("delete v4tov4 listenaddress=0.0.0.0 listenport=81"), NONCE[::-1])
    assert apply(forwards={}, timeout=30).ok
    assert machine.rules == []


def test_a_request_takes_the_place_of_another_as_a_whole(machine: Machine, apply: Apply) -> None:
    """A file of its own is renamed: who had the old one open goes on reading the old one."""
    request = machine.drive / windows_door.REQUEST
    request.write_text("somebody's")
    with request.open() as old:
        assert apply(forwards={81: 81}).ok
        assert old.read() == "somebody's"
    assert json.loads(request.read_text())["port_proxy"]
    assert sorted(path.name for path in request.parent.iterdir() if "request" in path.name) == [
        "request.json"
    ]


def test_settings_of_the_door_that_cannot_be_read_are_named(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    (machine.drive / windows_door.SETTINGS).write_text("{}")
    assert not apply(forwards={81: 81}).ok
    assert "C:/Program Files/dify-vllm-deploy/settings.json, cannot be read" in caplog.text
    assert not (machine.drive / windows_door.REQUEST).exists()


def test_the_way_to_the_lan_is_looked_at_when_the_rules_are_made(
    machine: Machine, apply: Apply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker Desktop answers only after an earlier operation of the same run: no rule is needed any more."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools), prepend=":")

    def install() -> None:
        (tools / "docker").write_text("#!/bin/sh\necho 'Docker Desktop'\n")
        (tools / "docker").chmod(0o755)

    assert apply(forwards={81: 81}).changed
    assert apply(forwards={81: 81}, meanwhile=install) == Run(ok=True, changed=True)
    assert machine.rules == []
    assert apply(forwards={81: 81}) == Run(ok=True, changed=False)
    (tools / "docker").unlink()
    assert apply(forwards={81: 81}, meanwhile=install) == Run(ok=True, changed=False)


def test_for_nobody_on_the_lan_nothing_is_asked_of_windows(machine: Machine) -> None:
    """A first install with ``lan_access=None``, where no door was ever built."""
    machine.change(tasks={})
    for path in (windows_door.SETTINGS, windows_door.OWNED_RULES):
        (machine.drive / path).unlink(missing_ok=True)
    drive = str(machine.drive)
    assert apply_operation(port_proxy, forwards={}, drive=drive) == Run(ok=True, changed=False)
    assert apply_operation(let_in, openings=[], drive=drive) == Run(ok=True, changed=False)
    assert machine.writes() == 0
    assert not (machine.drive / windows_door.REQUEST).exists()
    assert (machine.rules, machine.openings) == ([], {})
