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

from provision.domain.portproxy import REGISTRY_KEY, Rule
from provision.domain.windows_door import OWNED_RULES, REQUEST, RESULT, TASK_NAME, Request, RequestedRule

PROGRAM = Path(__file__).parents[2] / "templates/windows_address.py"
YESTERDAY, TODAY = "127.0.0.8", "127.0.0.9"
NONCE = "0123456789abcdef" * 2


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("windows_address", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "present_address", lambda: TODAY)
    return module


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def look(machine: Machine, program: ModuleType, clock: Clock) -> Callable[[], str | None]:
    watch = program.Watch(machine.drive, TASK_NAME, clock)
    said: Callable[[], str | None] = watch.look
    return said


def request(*addresses: str) -> bytes:
    rules = [RequestedRule.of(Rule("0.0.0.0", 81 + n, a, 80)) for n, a in enumerate(addresses)]
    return Request(nonce=NONCE, port_proxy=rules).model_dump_json(exclude_none=True).encode()


def nonces(machine: Machine) -> tuple[str, str]:
    return tuple(json.loads((machine.drive / path).read_bytes())["nonce"] for path in (REQUEST, RESULT))


def make_old(path: Path) -> None:
    then = time.time() - 600
    os.utime(path, (then, then))


def test_a_new_address_is_asked_for_once(machine: Machine, look: Callable[[], str | None]) -> None:
    machine.allow(81, 82)
    assert machine.door(request(YESTERDAY, YESTERDAY)).ok
    machine.netsh("set", "listenport=8443", "listenaddress=0.0.0.0", f"connectaddress={YESTERDAY}")
    assert look() == f"asked Windows to forward to {TODAY}"
    wanted = [Rule("0.0.0.0", 81, TODAY, 80), Rule("0.0.0.0", 82, TODAY, 80)]
    _until(lambda: machine.rules == [*wanted, Rule("0.0.0.0", 8443, YESTERDAY, 8443)])
    _until(lambda: len(set(nonces(machine))) == 1)
    writes, asked = machine.writes(), nonces(machine)
    assert asked[0] != NONCE
    assert look() is None
    assert look() is None
    assert (machine.writes(), nonces(machine)) == (writes, asked)


def test_an_address_that_is_as_it_was_is_looked_up_once(
    machine: Machine, look: Callable[[], str | None]
) -> None:
    machine.allow(81)
    assert machine.door(request(TODAY)).ok
    assert look() is None
    calls = len(machine.calls)
    assert look() is None
    assert len(machine.calls) == calls


def test_where_nothing_is_forwarded_nothing_is_asked(
    machine: Machine, look: Callable[[], str | None]
) -> None:
    assert look() is None
    assert not machine.calls
    assert machine.door(request()).ok
    assert look() is None
    assert not any(call["program"] == "schtasks.exe" for call in machine.calls)


def test_a_refusal_is_said_and_asked_for_again_after_growing_pauses(
    machine: Machine, look: Callable[[], str | None], clock: Clock
) -> None:
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    machine.allow(443)
    asked = {NONCE}
    for pause in (15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        assert look() == f"asked Windows to forward to {TODAY}"
        _until(lambda: len(set(nonces(machine))) == 1)
        assert nonces(machine)[0] not in asked
        asked.add(nonces(machine)[0])
        assert look() == (
            f"Windows does not forward to {TODAY}: port 81 is not among the ports that the administrator "
            f"allowed: 443; trying again in {pause} s"
        )
        clock.now += pause - 1
        assert look() is None
        assert nonces(machine)[0] in asked
        clock.now += 1
    machine.allow(81)
    assert look() == f"asked Windows to forward to {TODAY}"
    _until(lambda: machine.rules == [Rule("0.0.0.0", 81, TODAY, 80)])
    _until(lambda: len(set(nonces(machine))) == 1)
    assert look() is None


def test_after_a_success_the_pauses_begin_anew(
    machine: Machine,
    look: Callable[[], str | None],
    clock: Clock,
    program: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    for address in (TODAY, "127.0.0.10"):
        monkeypatch.setattr(program, "present_address", lambda address=address: address)
        machine.allow(443)
        look()
        _until(lambda: len(set(nonces(machine))) == 1)
        assert str(look()).endswith("trying again in 15 s")
        clock.now += 15
        machine.allow(81)
        assert look() == f"asked Windows to forward to {address}"
        _until(lambda: len(set(nonces(machine))) == 1)
        assert look() is None


def test_a_request_that_the_deploy_has_replaced_is_made_again(
    machine: Machine, look: Callable[[], str | None], clock: Clock
) -> None:
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    machine.allow(443)
    assert look() == f"asked Windows to forward to {TODAY}"
    _until(lambda: len(set(nonces(machine))) == 1)
    assert not machine.door(request(TODAY).replace(NONCE.encode(), NONCE[::-1].encode())).ok
    assert look() == f"Windows does not forward to {TODAY}: somebody else has asked; trying again in 15 s"
    clock.now += 15
    assert look() == f"asked Windows to forward to {TODAY}"


def test_what_is_written_is_never_half_a_request(
    machine: Machine, program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at the moment when the file is renamed finds the old one whole, and a whole new one."""
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    replaced = []

    def replace(fresh: Path, target: Path) -> Path:
        assert (fresh.parent, target) == (target.parent, machine.drive / REQUEST)
        assert json.loads(target.read_bytes())["nonce"] == NONCE
        replaced.append(Request.model_validate_json(fresh.read_bytes()))
        return fresh.rename(target)

    monkeypatch.setattr(Path, "replace", replace)
    assert program.Watch(machine.drive, TASK_NAME).look() == f"asked Windows to forward to {TODAY}"
    assert len(replaced) == 1


def test_nothing_is_asked_under_the_hands_of_a_deploy(
    machine: Machine, look: Callable[[], str | None]
) -> None:
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    path = machine.drive / REQUEST
    path.write_bytes(request(TODAY).replace(NONCE.encode(), NONCE[::-1].encode()))
    assert look() is None
    make_old(path)  # a deploy that was killed
    assert look() == f"asked Windows to forward to {TODAY}"
    _until(lambda: machine.rules == [Rule("0.0.0.0", 81, TODAY, 80)])


def test_a_missing_task_is_said(machine: Machine, look: Callable[[], str | None]) -> None:
    machine.allow(81)
    assert machine.door(request(YESTERDAY)).ok
    machine.change(tasks={})
    assert look() == f"Windows does not start '{TASK_NAME}'; trying again in 15 s"
    assert look() is None


def test_another_socket_is_tried_where_the_first_one_is_dead(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = tmp_path / "WSL"
    sockets.mkdir()
    for name in ("1_interop", "77_interop"):
        (sockets / name).touch()
    monkeypatch.setattr(program, "Path", lambda _: sockets)
    schtasks = tmp_path / "schtasks.exe"
    schtasks.write_text('#!/bin/sh\ncase "$WSL_INTEROP" in */77_interop) exit 0;; esac; exit 1\n')
    schtasks.chmod(0o755)
    assert program.windows(str(schtasks), "/run") == b""
    (sockets / "77_interop").unlink()
    assert program.windows(str(schtasks), "/run") is None


def test_it_speaks_of_the_same_places_as_the_deploy() -> None:
    text = PROGRAM.read_text("utf-8")
    for path in (REQUEST, RESULT, OWNED_RULES):
        assert f'"{path}"' in text
    assert f'r"{REGISTRY_KEY}"' in text


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)
