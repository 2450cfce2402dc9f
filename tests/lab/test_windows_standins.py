"""Windows' stand-ins behave as the programs that they stand for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from windows_machine import Machine

from provision.domain.portproxy import REGISTRY_KEY, Rule
from provision.domain.windows_door import TASK_NAME
from provision.domain.windows_ports import parse_ports

ROOT = Path(__file__).parents[2]


def test_every_program_of_windows_that_a_deploy_calls_has_a_stand_in_and_none_is_powershell(
    machine: Machine,
) -> None:
    called = set()
    for folder in ("provision", "tasks", "templates"):
        for path in (ROOT / folder).rglob("*.*"):
            if path.suffix in {".py", ".j2", ".md"}:
                text = path.read_text("utf-8")
                assert not re.search(r"powershell\.exe|\bpwsh\b", text, re.IGNORECASE), path
                called |= set(re.findall(r"""(?:program\(\w+, |self\._programs / )"(\w+\.exe)\"""", text))
    programs = machine.drive / "Windows/System32"
    assert called == {path.name for path in programs.iterdir() if path.suffix == ".exe"}


def test_reg_prints_as_windows_does(machine: Machine) -> None:
    code, out, err = machine.run("reg.exe", "query", REGISTRY_KEY)
    assert (code, out) == (1, b"")
    assert err.endswith(b"ERROR: The system was unable to find the specified registry key or value.\r\n")
    machine.netsh("add", "listenport=81", "connectaddress=172.19.173.46")
    code, out, err = machine.run("reg.exe", "QUERY", REGISTRY_KEY.lower())
    key = REGISTRY_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
    assert (code, err) == (0, b"")
    assert out.lower() == f"\r\n{key}\r\n    */81    REG_SZ    172.19.173.46/81\r\n\r\n".lower().encode()


def test_netsh_needs_elevation(machine: Machine) -> None:
    code, out, _ = machine.netsh("set", "listenport=81", "connectaddress=172.19.173.46", elevated=False)
    assert (code, out.splitlines()[0]) == (
        1,
        b"The requested operation requires elevation (Run as administrator).",
    )
    assert machine.rules == []
    assert machine.writes() == 0


def test_netsh_sets_shows_and_deletes(machine: Machine) -> None:
    for address in ("listenaddress=0.0.0.0", "listenaddress=*"):
        machine.netsh("set", "listenport=81", address, "connectaddress=172.19.1.1", "connectport=80")
    machine.netsh("set", "listenport=81", "listenaddress=0.0.0.0", "connectaddress=172.19.1.2")
    assert machine.rules == [Rule("*", 81, "172.19.1.1", 80), Rule("0.0.0.0", 81, "172.19.1.2", 81)]
    shown = machine.netsh("show", elevated=False)[1].split(b"\r\n")
    assert b"--------------- ----------  --------------- ----------" in shown
    assert b"0.0.0.0         81          172.19.1.2      81" in shown
    assert machine.netsh("delete", "listenport=81")[0] == 0
    assert machine.netsh("delete", "listenport=81")[:2] == (
        1,
        b"\r\nThe system cannot find the file specified.\r\n",
    )
    assert machine.rules == [Rule("0.0.0.0", 81, "172.19.1.2", 81)]


@pytest.mark.parametrize(
    "arguments", [["listenport=81"], ["listenport=99999", "connectaddress=a"], ["connectadress=a"]]
)
def test_netsh_refuses_wrong_arguments(machine: Machine, arguments: list[str]) -> None:
    assert machine.netsh("add", *arguments)[0] == 1
    assert machine.rules == []


def test_schtasks_knows_what_is_registered(machine: Machine) -> None:
    code, out, _ = machine.run("schtasks.exe", "/query", "/tn", TASK_NAME)
    assert code == 0
    assert out.split(b"\r\n")[4].split() == [b"dify-vllm-deploy", b"door", b"N/A", b"Ready"]
    code, _, err = machine.run("schtasks.exe", "/run", "/tn", "another")
    assert (code, err) == (1, b"ERROR: The system cannot find the file specified.\r\n")


def test_a_chinese_windows_speaks_gbk(machine: Machine) -> None:
    machine.change(locale="zh-CN")
    assert "找不到指定的注册表项或值" in machine.run("reg.exe", "query", REGISTRY_KEY)[2].decode("gbk")
    assert "请求的操作需要提升" in machine.netsh("delete", "listenport=1", elevated=False)[1].decode("gbk")


def test_cmd_tells_the_users_folder_in_utf_16(machine: Machine) -> None:
    machine.change(locale="zh-CN")
    code, out, _ = machine.run("cmd.exe", "/d", "/u", "/c", "echo", "%USERPROFILE%")
    assert (code, out.decode("utf-16-le")) == (0, "C:\\Users\\莫非\r\n")
    assert machine.run("cmd.exe", "/c", "echo %USERPROFILE%")[1].decode("gbk") == "C:\\Users\\莫非\r\n"


def test_wsl_can_be_switched_off_from_inside(machine: Machine) -> None:
    assert machine.run("wsl.exe", "--shutdown")[0] == 0
    assert (machine.drive / "lab/wsl-off").exists()


def test_the_firewall_allows_copies_and_needs_elevation(machine: Machine) -> None:
    rule = ("name=Dify", "dir=in", "action=allow", "protocol=TCP", "localport=81")
    assert machine.advfirewall("show", "name=Dify")[0] == 1
    assert machine.advfirewall("delete", "name=Dify")[0] == 1
    assert machine.advfirewall("add", *rule, elevated=False)[0] == 1
    assert machine.writes() == 0
    assert [machine.advfirewall("add", *rule)[0] for _ in range(2)] == [0, 0]
    assert machine.advfirewall("show", "name=Dify", elevated=False)[1].count(b"Rule Name:") == 2
    assert machine.advfirewall("delete", "name=Dify", elevated=False)[0] == 1
    assert machine.advfirewall("delete", "name=Dify")[0] == 0
    assert machine.advfirewall("show", "name=Dify")[0] == 1
    machine.change(locale="zh-CN")
    assert "没有与指定标准相匹配的规则" in machine.advfirewall("show", "name=Dify")[1].decode("gbk")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_ports_are_shown_as_windows_shows_them(machine: Machine, locale: str) -> None:
    machine.change(locale=locale)
    machine.netsh("set", "listenport=8080", "listenaddress=0.0.0.0", "connectaddress=172.19.1.2")
    found = parse_ports(
        machine.run("netstat.exe", "-ano", "-p", "TCP")[1],
        machine.run("tasklist.exe", "/svc", "/fo", "csv", "/nh")[1],
        machine.run("netsh.exe", "interface", "ipv4", "show", "excludedportrange", "protocol=tcp")[1],
    )
    assert found
    assert ("0.0.0.0", 8080, 3204) in found.listeners
    assert found.processes[3204].services == ("iphlpsvc",)
    assert found.excluded == ((5357, 5357), (49691, 49790))
    assert (found.holder(8080, {8080}), found.holder(81, {8080})) == (None, None)
    assert "HTTP.sys" in str(found.holder(445, ()))
