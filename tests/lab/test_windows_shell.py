"""The stand-ins of cmd.exe and wsl.exe are as unforgiving as the programs that they stand for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from windows_machine import WINDOWS, Machine

sys.path.insert(0, str(WINDOWS / "drive/lab"))

from standins import command_line

NOT_FOUND = (
    "There is no distribution with the supplied name.\r\nError code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n"
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "c")
    machine.change(
        wsl={"kind": "msi", "distributions": ["Kali", "Debian"], "default": "Debian", "warning": False}
    )
    return machine


def cmd(machine: Machine, line: str) -> tuple[int, bytes, bytes]:
    """As sshd starts it."""
    return machine.run("cmd.exe", "/c", f'"{line}"')


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (r'a "b c" d\e', ["a", "b c", r"d\e"]),
        (r'"a\\" \"b \\\"c', ["a\\", '"b', '\\"c']),
        (r'"say ""hi""" ""', ['say "hi"', ""]),
        ("'one two'", ["'one", "two'"]),
        (r"C:\Program\ Files", ["C:\\Program\\", "Files"]),
    ],
)
def test_arguments_are_taken_apart_as_windows_does(text: str, arguments: list[str]) -> None:
    assert command_line.split(text) == arguments


def test_cmd_replaces_variables_and_knows_no_single_quotes(machine: Machine) -> None:
    assert cmd(machine, "echo %OS% '%os%' %NOT_SET% 100%")[1] == b"Windows_NT 'Windows_NT' %NOT_SET% 100%\r\n"
    assert cmd(machine, "wsl.exe --exec echo 'a  b'")[1] == b"'a b'\n"
    assert cmd(machine, r"wsl.exe --exec echo \"a  ^&  $HOME\"")[1] == b'"a ^& $HOME"\n'


def test_cmd_joins_commands_by_their_exit_codes(machine: Machine) -> None:
    assert cmd(machine, "wsl.exe --exec false && echo no || echo yes & echo last")[1] == b"yes\r\nlast\r\n"
    assert cmd(machine, "wsl.exe --exec sh -c \"exit 7\"")[0] == 7  # fmt: skip


def test_cmd_refuses_a_long_line(machine: Machine) -> None:
    line = "wsl.exe --exec true "
    assert cmd(machine, line + "x" * (8191 - len(line) - 2))[0] == 0
    code, out, err = cmd(machine, line + "x" * (8191 - len(line) - 1))
    assert (code, out, err) == (1, b"", b"The command line is too long.\r\n")
    machine.change(locale="zh-CN")
    assert cmd(machine, "x" * 9000)[2].decode("gbk") == "命令行太长。\r\n"


def test_cmd_says_what_it_cannot_find(machine: Machine) -> None:
    assert cmd(machine, "nothing -x")[2].startswith(b"'nothing' is not recognized as an internal or external")
    assert cmd(machine, r'"C:\No Such\wsl.exe" -x')[2] == b"The system cannot find the path specified.\r\n"
    assert cmd(machine, r'"C:\program files\WSL\WSL.EXE" --exec echo it')[1] == b"it\n"


def test_cmd_does_not_pretend_to_know_pipes(machine: Machine) -> None:
    code, _, err = cmd(machine, "echo a | more")
    assert code != 0
    assert b"not modelled" in err


def test_wsl_speaks_utf_16_unless_told(machine: Machine) -> None:
    code, out, err = machine.run("wsl.exe", "-d", "Arch", "--exec", "true")
    assert (code, out.decode("utf-16-le"), err) == (255, NOT_FOUND, b"")
    assert cmd(machine, "set WSL_UTF8=1&&wsl.exe -d Arch --exec true")[1].decode() == NOT_FOUND
    machine.change(locale="zh-CN")
    out = machine.run("wsl.exe", "-d", "Arch", "--exec", "true")[1]
    assert out.decode("utf-16-le").startswith("不存在具有所提供名称的分发。\r\n错误代码: Wsl/Service/")


def test_wsl_takes_quotes_for_part_of_a_distributions_name(machine: Machine) -> None:
    assert machine.run("wsl.exe", "-d", "debian", "--exec", "true")[0] == 0
    assert cmd(machine, 'wsl.exe -d "Debian" --exec true')[1].decode("utf-16-le") == NOT_FOUND


def test_wsl_lists_the_default_distribution_first(machine: Machine) -> None:
    assert machine.run("wsl.exe", "--list", "--quiet")[1].decode("utf-16-le") == "Debian\r\nKali\r\n"


def test_wsl_lists_states_and_versions_and_starts_nothing(machine: Machine) -> None:
    def listed(*options: str) -> list[str]:
        return machine.run("wsl.exe", "--list", *options)[1].decode("utf-16-le").split("\r\n")

    wsl = machine.state["wsl"] | {"versions": {"Kali": 1}}
    machine.change(wsl=wsl)
    assert listed("--running", "--quiet") == [""]
    assert machine.running == {}
    machine.run("wsl.exe", "--exec", "true")
    assert listed("--running", "--quiet") == ["Debian", ""]
    assert [line.split() for line in listed("--verbose")] == [
        ["NAME", "STATE", "VERSION"], ["*", "Debian", "Running", "2"], ["Kali", "Stopped", "1"], [],
    ]  # fmt: skip
    machine.run("wsl.exe", "--shutdown")
    assert machine.running == {}


@pytest.mark.parametrize("elevated", [False, True])
def test_who_starts_a_distribution_hands_on_rights_over_windows(machine: Machine, elevated: bool) -> None:
    machine.run("wsl.exe", "--exec", "true", elevated=elevated)
    machine.run("wsl.exe", "--exec", "true", elevated=not elevated)
    assert machine.running == {"Debian": "elevated" if elevated else "unelevated"}
    assert machine.a_service_may_forward() == elevated
    assert len(machine.rules) == elevated


@pytest.mark.parametrize(
    ("arguments", "names"), [(["--shutdown"], "Kali Debian"), (["--terminate", "kali"], "Kali")]
)
def test_stopping_is_noted_and_handed_on(machine: Machine, arguments: list[str], names: str) -> None:
    hook = machine.drive / "lab/hooks/wsl-stopped"
    hook.write_text(f"#!/bin/sh\necho $* > {machine.drive}/stopped\n")
    hook.chmod(0o755)
    assert machine.run("wsl.exe", *arguments)[:2] == (0, b"")
    assert (machine.drive / "stopped").read_text() == f"{names}\n"
    assert [call["write"] for call in machine.calls if call["program"] == "wsl.exe"] == [True]


def test_the_stores_launcher_fails_in_session_0_only(machine: Machine) -> None:
    machine.change(wsl={"kind": "store", "distributions": ["Debian"], "default": "Debian", "warning": False})
    assert machine.run("wsl.exe", "--exec", "true")[0] == 0
    code, out, _ = cmd(machine, "set LAB_WINDOWS_SESSION=0&wsl.exe --exec true")
    assert (code, out.decode("utf-16-le")) == (255, "The file cannot be accessed by the system.\r\n")
