"""The port proxy operation over Windows' stand-ins on this machine: registry, door, real traffic."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.facts import get_facts
from pyinfra_run import Run
from windows_machine import ROOT, SUBNET, WINDOWS, Machine

from provision.domain import windows_door
from provision.domain.bootstrap import script_digest
from provision.domain.portproxy import Rule
from provision.facts import docker, windows_network
from provision.facts import windows as facts

Apply = Callable[..., Run]


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_second_run_changes_nothing(machine: Machine, apply: Apply, locale: str) -> None:
    machine.change(locale=locale)
    assert apply(forwards={81: 80}) == Run(ok=True, changed=True)
    assert machine.rules == [Rule("0.0.0.0", 81, "127.0.0.1", 80)]
    seen = len(machine.calls)
    assert apply(forwards={81: 80}) == Run(ok=True, changed=False)
    assert machine.writes() == 1
    assert {call["program"] for call in machine.calls[seen:]} == {"reg.exe"}


def test_a_new_address_and_a_new_port_leave_no_stale_rule(machine: Machine, apply: Apply) -> None:
    machine.netsh("add", "listenport=8080", "connectaddress=nas")
    foreign = Rule("*", 8080, "nas", 8080)
    apply(forwards={81: 81})
    apply(forwards={81: 81}, connect_address="127.0.0.9")
    assert machine.rules == [foreign, Rule("0.0.0.0", 81, "127.0.0.9", 81)]
    apply(forwards={80: 81})
    assert machine.rules == [foreign, Rule("0.0.0.0", 80, "127.0.0.1", 81)]


def test_without_a_door_the_one_line_to_run_is_told(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    machine.change(tasks={})
    assert not apply(forwards={81: 81}).ok
    assert r"powershell -ExecutionPolicy Bypass -File bootstrap\windows.ps1 -AllowedPorts 81" in caplog.text
    assert not (machine.drive / windows_door.REQUEST).exists()


def test_a_port_that_is_not_allowed_is_told_before_the_door_is_asked(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    assert not apply(forwards={82: 81}).ok
    assert windows_door.PORT_REFUSED.format(82, "80, 81, 443") in caplog.text
    assert not (machine.drive / windows_door.REQUEST).exists()


def test_a_foreign_rule_is_named(machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture) -> None:
    machine.netsh("add", "listenport=81", "connectaddress=nas")
    assert not apply(forwards={81: 81}).ok
    assert "*:81 -> nas:81" in caplog.text
    assert machine.rules == [Rule("*", 81, "nas", 81)]


def test_the_doors_refusal_is_told(apply: Apply, caplog: pytest.LogCaptureFixture) -> None:
    assert not apply(forwards={81: 81}, connect_address="192.168.1.5").ok
    assert windows_door.ADDRESS_REFUSED.format("192.168.1.5", SUBNET) in caplog.text


def test_a_door_that_does_not_answer_is_told(
    machine: Machine, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    (machine.drive / windows_door.FOLDER / "door.py").write_text("#!/bin/sh\n")
    assert not apply(forwards={81: 81}, timeout=1).ok
    assert "the door has not answered within 1 s" in caplog.text


def test_facts_on_a_host_without_windows(tmp_path: Path) -> None:
    """Every fact answers, with "nothing there", and the host stays in the run."""
    state = State(Inventory((["@local"], {})), Config())
    connect_all(state)
    drive = str(tmp_path / "none")
    asked: dict[Any, dict[str, str]] = {
        facts.IsWsl: {"drive": drive},
        facts.PortProxyRules: {"drive": drive},
        facts.TaskRegistered: {"task": windows_door.TASK_NAME, "drive": drive},
        facts.DoorDigest: {"drive": drive},
        facts.IsWsl1: {},
        facts.DoorSettings: {"drive": drive},
        facts.DoorResult: {"drive": drive},
        facts.OwnedRules: {"drive": drive},
        facts.WslAddress: {"interface": "none0"},
        windows_network.PortsOfWindows: {"drive": drive},
        windows_network.FirewallRules: {"drive": drive},
        windows_network.IgnoringProfiles: {"drive": drive},
        windows_network.NetworkingMode: {},
        docker.DockerDesktop: {},
        docker.NginxVariables: {"folder": drive},
    }
    found = [next(iter(get_facts(state, fact, kwargs=kwargs).values())) for fact, kwargs in asked.items()]
    assert found == [
        False, None, False, None, False, None, None, frozenset(), None, None, None, [], "", False, {},
    ]  # fmt: skip
    assert not state.failed_hosts
    disconnect_all(state)


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_the_script_behind_the_door_is_recognised(machine: Machine, ends: bytes) -> None:
    """Whatever git on Windows made of the ends of its lines; an older one is another one."""
    ours = (ROOT / "bootstrap/door.ps1").read_bytes()
    there = machine.drive / windows_door.SCRIPT
    assert there.read_bytes() == ours
    there.write_bytes(ours.replace(b"\n", ends))
    assert _digest(machine) == script_digest(ours)
    there.write_bytes(ours.replace(b"16384", b"16385"))
    assert _digest(machine) not in (None, script_digest(ours))


def _digest(machine: Machine) -> str | None:
    state = State(Inventory((["@local"], {})), Config())
    connect_all(state)
    (found,) = get_facts(state, facts.DoorDigest, kwargs={"drive": str(machine.drive)}).values()
    disconnect_all(state)
    digest: str | None = found
    return digest


class _Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"from the distribution: " + self.rfile.read())


@pytest.fixture
def distribution() -> Iterator[int]:
    """A service inside the distribution; gives its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def ip_helper(machine: Machine) -> Iterator[None]:
    """Windows runs, and forwards."""
    with subprocess.Popen([sys.executable, WINDOWS / "forwarder.py", machine.drive]) as process:
        yield
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.usefixtures("ip_helper")
def test_a_rule_really_forwards_until_it_is_removed(
    machine: Machine, apply: Apply, distribution: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    machine.allow(port)
    assert apply(listen_address="127.0.0.1", forwards={port: distribution}).ok
    _until(lambda: _ask(port) == b"from the distribution: hello")
    assert _ask(port, b"x" * 3_000_000) == b"from the distribution: " + b"x" * 3_000_000
    machine.netsh("delete", "listenaddress=127.0.0.1", f"listenport={port}")
    _until(lambda: _ask(port) is None)


@pytest.mark.usefixtures("ip_helper")
def test_an_unreachable_target_just_closes_the_connection(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        port, dead = first.getsockname()[1], second.getsockname()[1]
    machine.netsh(
        "set",
        "listenaddress=127.0.0.1",
        f"listenport={port}",
        "connectaddress=127.0.0.1",
        f"connectport={dead}",
    )
    _until(lambda: _ask(port) == b"")


def _ask(port: int, question: bytes = b"hello") -> bytes | None:
    """Send to a port of Windows and read to the end; ``None`` when nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            threading.Thread(target=_send, args=(connection, question), daemon=True).start()
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer
    except ConnectionRefusedError:
        return None
    except ConnectionResetError:
        return b""


def _send(connection: socket.socket, question: bytes) -> None:
    with contextlib.suppress(OSError):  # the other side may have hung up
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)
