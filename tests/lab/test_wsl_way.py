"""The connector for ``@wsl/…`` against the stand-ins of cmd.exe and wsl.exe; only ssh itself is missing."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from paramiko import SSHException
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.ssh import SSHConnector
from windows_machine import Machine
from windows_session import Channel

from provision.connectors import windows
from provision.connectors.slices import SLICE
from provision.connectors.wsl import WslConnector
from provision.domain.bootstrap import bootstrap_line
from provision.domain.wsl_settings import HOLD_TASK

MSI = r"C:\Program Files\WSL\wsl.exe"


Connect = Callable[..., Any]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "c")


@pytest.fixture
def connect(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Connect to the distribution with these keys in the inventory; returns pyinfra's host."""

    def connected(connector: SSHConnector) -> None:
        transport: Any = SimpleNamespace(open_session=lambda **_: Channel(machine.drive))
        # A closed connection opens no session.
        client: Any = SimpleNamespace(get_transport=lambda: transport, close=transport.__dict__.clear)
        connector.client = client

    monkeypatch.setattr(SSHConnector, "connect", connected)

    def connect(**keys: str) -> Any:
        state = State(Inventory((["@wsl/192.0.2.1"], keys)), Config())
        (host,) = state.inventory
        host.connect(raise_exceptions=True)
        return host

    return connect


def wsl(machine: Machine, **parts: object) -> None:
    machine.change(wsl=machine.state["wsl"] | parts)


def programs(machine: Machine) -> list[str]:
    """What was started on Windows for the deploy, in order; looking is left out."""
    calls = [(call["program"], call["arguments"]) for call in machine.calls]
    return [f"{name} {words[0]}" for name, words in calls if words[0] not in ("--list", "/query")]


def test_pyinfra_finds_the_connector(connect: Connect) -> None:
    host = connect()
    assert isinstance(host.connector, WslConnector)
    assert (host.name, host.data.ssh_hostname) == ("@wsl/192.0.2.1", "192.0.2.1")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("keys", [{}, {"wsl_distribution": "debian"}])
def test_a_distribution_that_does_not_run_is_started_without_elevation(
    machine: Machine, connect: Connect, locale: str, keys: dict[str, str]
) -> None:
    """The session is elevated; what a service in the distribution may do to Windows is not."""
    machine.change(locale=locale)
    wsl(machine, distributions=["Kali", "Debian"])
    assert connect(**keys).run_shell_command(StringCommand("true"))[0]
    assert machine.running == {"Debian": "unelevated"}
    assert programs(machine)[0] == "schtasks.exe /run"
    assert not machine.a_service_may_forward()


def test_a_distribution_that_runs_is_left_as_it_is(machine: Machine, connect: Connect) -> None:
    machine.run("wsl.exe", "--exec", "true")
    connect()
    assert "schtasks.exe" not in {call["program"] for call in machine.calls}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_without_the_task_nothing_is_started(machine: Machine, connect: Connect, locale: str) -> None:
    machine.change(tasks={}, locale=locale)
    with pytest.raises(ConnectError) as caught:
        connect()
    assert f"the distribution Debian does not run, and Windows has no task '{HOLD_TASK}'" in str(caught.value)
    assert bootstrap_line() in str(caught.value)
    assert (machine.running, programs(machine)) == ({}, [])


def test_a_task_that_starts_nothing_is_waited_for_within_bounds(
    machine: Machine, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = machine.state["tasks"]
    tasks[HOLD_TASK]["action"][2] = "Another"
    machine.change(tasks=tasks)
    monkeypatch.setattr(windows, "START_SECONDS", 2)
    with pytest.raises(ConnectError) as caught:
        connect()
    assert "the distribution Debian does not run 2 s after the task" in str(caught.value)
    assert bootstrap_line(options="-Distribution Debian") in str(caught.value)
    assert machine.running == {}


def test_a_slow_task_is_waited_for(
    machine: Machine, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may still be ending when it is asked for the first time."""
    monkeypatch.setattr(windows, "ASK_SECONDS", 1)
    asked = machine.drive / "asked"
    late = machine.drive / "late"
    late.write_text(
        f"#!/bin/sh\necho >>'{asked}'\n[ $(wc -l <'{asked}') -lt 2 ] || "
        f"exec '{machine.drive}/Program Files/WSL/wsl.exe' --exec true\n"
    )
    late.chmod(0o755)
    machine.change(tasks={HOLD_TASK: {"action": ["late"], "elevated": False}})
    assert connect().run_shell_command(StringCommand("true"))[0]
    assert machine.running == {"Debian": "unelevated"}


def test_wsl_1_is_told(machine: Machine, connect: Connect) -> None:
    wsl(machine, versions={"Debian": 1})
    with pytest.raises(ConnectError, match="wsl --set-version Debian 2"):
        connect()
    assert machine.running == {}


def test_wsl_is_stopped_by_windows_and_comes_back_without_elevation(
    machine: Machine, connect: Connect
) -> None:
    host = connect()
    host.connector.shut_down()
    assert machine.running == {}
    host.disconnect()
    host.connect(raise_exceptions=True)
    assert machine.running == {"Debian": "unelevated"}


@pytest.mark.parametrize("broken", [OSError(), EOFError(), SSHException("channel closed")])
def test_a_connection_that_breaks_is_a_failure_to_connect(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    def breaks(*_: object) -> None:
        raise broken

    monkeypatch.setattr(Channel, "exec_command", breaks)
    with pytest.raises(ConnectError, match="the connection to Windows broke"):
        connect()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_commands(machine: Machine, connect: Connect, locale: str) -> None:
    machine.change(locale=locale)
    host = connect(wsl_distribution="Debian")
    done, output = host.run_shell_command(
        StringCommand('echo "你好 it\'s $(pwd) %OS%"; echo wrong >&2; exit 3'), _success_exit_codes=[3]
    )
    assert (done, output.stdout_lines) == (True, ["你好 it's /root %OS%"])
    warning, wrong = output.stderr_lines
    assert "localhost" in warning
    assert "�" not in warning
    assert wrong == "wrong"
    assert not host.run_shell_command(StringCommand("exit 255"))[0]


@pytest.mark.parametrize("padding", [0, 100_000])
def test_input_environment_and_folder(connect: Connect, padding: int) -> None:
    command = StringCommand("cat; pwd; echo $WHO;", f": {'x' * padding}")
    done, output = connect().run_shell_command(
        command, _stdin="一\ntwo", _env={"WHO": 'a "b" $c %d%'}, _chdir="/usr"
    )
    assert (done, output.stdout_lines) == (True, ["一", "two", "/usr", 'a "b" $c %d%'])


@pytest.mark.parametrize(("size", "commands"), [(0, 1), (1, 1), (5_000_000, 1), (SLICE, 1), (SLICE + 1, 2)])
def test_files_there_and_back(
    machine: Machine, connect: Connect, tmp_path: Path, size: int, commands: int
) -> None:
    content = os.urandom(size)
    host, there, back = connect(), tmp_path / "名 with 'blanks'", BytesIO()
    before = len(programs(machine))
    assert host.put_file(BytesIO(content), str(there))
    assert there.read_bytes() == content
    assert host.get_file(str(there), back)
    assert back.getvalue() == content
    assert len(programs(machine)) - before == 2 * commands


def test_a_large_file_is_not_held_in_memory(connect: Connect, tmp_path: Path) -> None:
    size = 64 << 20
    here, there, back = (tmp_path / name for name in ("here", "there", "back"))
    here.write_bytes(os.urandom(size))
    host = connect()
    tracemalloc.start()
    try:
        host.put_file(str(here), str(there))
        host.get_file(str(there), str(back))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert there.read_bytes() == here.read_bytes() == back.read_bytes()
    assert peak < 3 * SLICE, f"{peak >> 20} MiB"


def test_text_files_and_folders_that_are_not_there(connect: Connect, tmp_path: Path) -> None:
    host = connect()
    host.put_file(StringIO("配置\n"), str(tmp_path / "text"))
    assert (tmp_path / "text").read_text() == "配置\n"
    with pytest.raises(OSError, match="missing"):
        host.put_file(StringIO("x"), str(tmp_path / "missing/file"))
    with pytest.raises(OSError, match="missing"):
        host.get_file(str(tmp_path / "missing"), str(tmp_path / "text"))
    assert (tmp_path / "text").read_text() == "配置\n"


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize(
    ("installed", "keys", "expected"),
    [
        ({"distributions": ["Debian", "Kali"]}, {"wsl_distribution": "Arch"}, ["it has Debian, Kali"]),
        ({"distributions": []}, {}, ["has no WSL distribution", "ssh_user"]),
        ({"kind": "store"}, {}, ["Microsoft Store's WSL", f"set wsl_exe to {MSI}"]),
        ({"kind": "none"}, {}, ["Windows has no WSL", bootstrap_line(), "wsl --install"]),
        ({}, {"wsl_exe": "C:\\WSL\\wsl.exe"}, ["no wsl.exe where wsl_exe says"]),
        ({}, {"wsl_user": "nobody-here"}, ["no such user"]),
    ],
)  # fmt: skip
def test_what_is_wrong_on_windows_is_said(
    machine: Machine, connect: Connect, locale: str, installed: dict[str, Any], keys: dict[str, str],
    expected: list[str],
) -> None:  # fmt: skip
    wsl(machine, **installed)
    machine.change(locale=locale)
    with pytest.raises(ConnectError) as caught:
        connect(**keys)
    for words in expected:
        assert words in str(caught.value)
    assert "�" not in str(caught.value)


def test_the_msi_works_where_the_store_does_not(machine: Machine, connect: Connect) -> None:
    wsl(machine, kind="store")
    assert connect(wsl_exe=MSI).run_shell_command(StringCommand("true"))[0]


def test_another_default_shell_is_named(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def powershell(self: Channel, line: str) -> None:
        """Windows PowerShell takes $(…) in double quotes for its own."""
        printed = "%OS%" if line == "echo %OS%" else "echo : The term 'base64' is not recognized"
        if "--list" in line:
            printed = "Debian" if "--running" in line else "* Debian    Running    2"
        self._process: Any = SimpleNamespace(returncode=1, stdin=BytesIO(), wait=lambda: None)
        self._streams: list[IO[bytes]] = [BytesIO(printed.encode()), BytesIO()]

    monkeypatch.setattr(Channel, "exec_command", powershell)
    with pytest.raises(ConnectError, match="DefaultShell"):
        connect()
