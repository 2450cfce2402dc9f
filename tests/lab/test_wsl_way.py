"""The connector for ``@wsl/…`` against the stand-ins of cmd.exe and wsl.exe; only ssh itself is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.ssh import SSHConnector
from windows_machine import Machine

from provision.connectors.wsl import WslConnector

MSI = r"C:\Program Files\WSL\wsl.exe"


class Channel:
    """A session of Windows' sshd: cmd.exe is started with the command in quotes."""

    def __init__(self, drive: Path) -> None:
        self._drive = drive

    def exec_command(self, line: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [self._drive / "Windows/System32/cmd.exe", "/c", f'"{line}"'],
            stdin=pipe, stdout=pipe, stderr=pipe,
            env={"PATH": "/usr/bin:/bin", "LAB_WINDOWS_SESSION": "0", "LAB_WINDOWS_ELEVATED": "1"},
        )  # fmt: skip
        self._given = b""
        self._streams: tuple[BytesIO, BytesIO] | None = None

    def makefile_stdin(self, *_: object) -> Any:
        def write(data: str | bytes) -> None:
            self._given += data.encode() if isinstance(data, str) else data

        return SimpleNamespace(write=write, close=self.shutdown_write)

    def shutdown_write(self) -> None:
        if self._streams is None:
            out, err = self._process.communicate(self._given)
            self._streams = BytesIO(out), BytesIO(err)

    def _read(self, stream: int, size: int) -> bytes:
        assert self._streams
        return self._streams[stream].read(size)

    def recv(self, size: int) -> bytes:
        return self._read(0, size)

    def recv_stderr(self, size: int) -> bytes:
        return self._read(1, size)

    def recv_exit_status(self) -> int:
        return self._process.returncode


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
    machine.change(
        wsl={"kind": "msi", "distributions": ["Debian"], "default": "Debian", "warning": True} | parts
    )


def test_pyinfra_finds_the_connector(connect: Connect) -> None:
    host = connect()
    assert isinstance(host.connector, WslConnector)
    assert (host.name, host.data.ssh_hostname) == ("@wsl/192.0.2.1", "192.0.2.1")


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


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_files_there_and_back(connect: Connect, tmp_path: Path, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    host, there, back = connect(), tmp_path / "名 with 'blanks'", BytesIO()
    assert host.put_file(BytesIO(content), str(there))
    assert there.read_bytes() == content
    assert host.get_file(str(there), back)
    assert back.getvalue() == content


def test_text_files_and_folders_that_are_not_there(connect: Connect, tmp_path: Path) -> None:
    host = connect()
    host.put_file(StringIO("配置\n"), str(tmp_path / "text"))
    assert (tmp_path / "text").read_text() == "配置\n"
    with pytest.raises(OSError, match="missing"):
        host.put_file(StringIO("x"), str(tmp_path / "missing/file"))
    with pytest.raises(OSError, match="missing"):
        host.get_file(str(tmp_path / "missing"), BytesIO())


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize(
    ("installed", "keys", "expected"),
    [
        ({"distributions": ["Debian", "Kali"]}, {"wsl_distribution": "Arch"}, ["it has Debian, Kali"]),
        ({"distributions": []}, {}, ["has no WSL distribution", "ssh_user"]),
        ({"kind": "store"}, {}, ["Microsoft Store's WSL", f"set wsl_exe to {MSI}"]),
        ({"kind": "none"}, {}, ["Windows has no WSL", "wsl --install"]),
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
        self._process: Any = SimpleNamespace(returncode=1)
        self._streams = BytesIO(printed.encode()), BytesIO()
        self._given = b""

    monkeypatch.setattr(Channel, "exec_command", powershell)
    with pytest.raises(ConnectError, match="DefaultShell"):
        connect()
