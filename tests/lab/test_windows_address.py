"""The program that asks Windows again, against Windows' stand-ins."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from windows_machine import Machine

from provision.domain.portproxy import Rule
from provision.domain.windows_door import REQUEST, RESULT, TASK_NAME, Request, RequestedRule

PROGRAM = Path(__file__).parents[2] / "templates/windows_address.py"
YESTERDAY, TODAY = "127.0.0.8", "127.0.0.9"
NONCE = "0123456789abcdef" * 2


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "c")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("windows_address", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "present_address", lambda: TODAY)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    return module


@pytest.fixture
def look(machine: Machine, program: ModuleType) -> Callable[[], str | None]:
    def run() -> str | None:
        schtasks = machine.drive / "Windows/System32/schtasks.exe"
        said: str | None = program.look(
            machine.drive / REQUEST, machine.drive / RESULT, str(schtasks), TASK_NAME
        )
        return said

    return run


def request(*addresses: str) -> bytes:
    rules = [RequestedRule.of(Rule("0.0.0.0", 81 + n, a, 81)) for n, a in enumerate(addresses)]
    return Request(nonce=NONCE, port_proxy=rules).model_dump_json().encode()


def test_a_new_address_is_asked_for_once(machine: Machine, look: Callable[[], str | None]) -> None:
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    assert look() == f"asked Windows to forward to {TODAY}"
    _until(lambda: machine.rules == [Rule("0.0.0.0", 81, TODAY, 81)])
    answered = json.loads((machine.drive / REQUEST).read_bytes())
    assert answered["nonce"] != NONCE
    writes = machine.writes()
    _until(lambda: json.loads((machine.drive / RESULT).read_bytes())["nonce"] == answered["nonce"])
    assert look() is None
    assert json.loads((machine.drive / REQUEST).read_bytes()) == answered
    assert machine.writes() == writes


@pytest.mark.parametrize("before", [b"", request()], ids=["no request", "no rule"])
def test_without_a_rule_nothing_is_asked(
    machine: Machine, look: Callable[[], str | None], before: bytes
) -> None:
    if before:
        (machine.drive / REQUEST).write_bytes(before)
    assert look() is None
    assert not machine.calls


def test_a_refusal_is_not_asked_for_again(machine: Machine, look: Callable[[], str | None]) -> None:
    machine.allow(443)
    assert not machine.door(request(TODAY)).ok
    assert look() is None


def test_an_unanswered_request_is_repeated_but_not_under_somebodys_hands(
    machine: Machine, look: Callable[[], str | None]
) -> None:
    machine.allow(81)
    path = machine.drive / REQUEST
    path.write_bytes(request(TODAY))
    assert look() is None
    old = time.time() - 600
    os.utime(path, (old, old))
    assert look() == f"asked Windows to forward to {TODAY}"
    _until(lambda: machine.rules == [Rule("0.0.0.0", 81, TODAY, 81)])


def test_a_missing_task_is_said(machine: Machine, look: Callable[[], str | None]) -> None:
    machine.change(tasks={})
    (machine.drive / REQUEST).write_bytes(request(YESTERDAY))
    assert look() == f"Windows does not start '{TASK_NAME}'"


def test_another_socket_is_tried_where_the_first_one_is_dead(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interop without a session: microsoft/WSL#4148, #6799."""
    sockets = tmp_path / "WSL"
    sockets.mkdir()
    for name in ("1_interop", "77_interop"):
        (sockets / name).touch()
    monkeypatch.setattr(program, "Path", lambda _: sockets)
    schtasks = tmp_path / "schtasks.exe"
    schtasks.write_text('#!/bin/sh\ncase "$WSL_INTEROP" in */77_interop) exit 0;; esac; exit 1\n')
    schtasks.chmod(0o755)
    assert program.start(str(schtasks), TASK_NAME)
    (sockets / "77_interop").unlink()
    assert not program.start(str(schtasks), TASK_NAME)


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)
