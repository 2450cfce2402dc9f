"""Facts about Windows: what comes out of what the host printed."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from test_facts import ask

from provision.domain.portproxy import Rule
from provision.domain.windows_door import Result
from provision.domain.wsl_network import Way, way
from provision.facts import docker, windows, windows_network

FIXTURES = Path(__file__).parents[1] / "fixtures/windows"
PRINTED = (FIXTURES / "reg-query-rules.txt").read_bytes()


def _lines(data: bytes) -> list[str]:
    return [b64encode(data).decode()]


def test_rules() -> None:
    rules = windows.PortProxyRules().process(_lines(PRINTED + b"exit code 0"))
    assert rules is not None
    assert Rule("0.0.0.0", 81, "172.19.173.46", 81) in rules


@pytest.mark.parametrize("code", [b"1", b"126", b"127"])
def test_rules_that_cannot_be_read_are_not_none_at_all(code: bytes) -> None:
    assert windows.PortProxyRules().process(_lines(b"exit code " + code)) is None


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (
            "2: eth0    inet 172.19.173.46/20 brd 172.19.175.255 scope global eth0\\  valid_lft",
            "172.19.173.46",
        ),
        ("2: eth0    inet6 fe80::1/64 scope link", None),
    ],
)
def test_address_of_the_distribution(line: str, address: str | None) -> None:
    assert windows.WslAddress().process([line]) == address


def test_result_of_the_door() -> None:
    result = Result(nonce="0" * 32, ok=True, message="", applied=["0.0.0.0/81 -> 172.19.1.1/81"], removed=[])
    assert windows.DoorResult().process(_lines(result.model_dump_json().encode())) == result


def test_nothing_is_there_on_a_bare_host() -> None:
    assert windows.IsWsl().process(["no"]) is False
    assert windows.TaskRegistered().process(["no"]) is False
    assert windows.IsWsl1().process(["no"]) is False
    assert windows.DoorDigest().process([]) is None
    assert windows.DoorSettings.default() is None
    assert windows.OwnedRules.default() == frozenset()


def _line(data: bytes) -> str:
    return b64encode(data).decode()


def test_ports_of_windows() -> None:
    printed = [
        (FIXTURES / f"{name}.txt").read_bytes() for name in ("netstat-zh", "tasklist-zh", "excluded-zh")
    ]
    found = windows_network.PortsOfWindows().process([_line(each) for each in printed])
    assert found
    assert (found.holder(443, ()), "mysqld.exe" in str(found.holder(3306, ()))) == (None, True)
    assert windows_network.PortsOfWindows().process(["", "", ""]) is None
    assert windows_network.PortsOfWindows().process([]) is None


def test_firewall_rules() -> None:
    printed = (FIXTURES / "reg-query-firewall.txt").read_bytes()
    ours = b"\r\n".join(line for line in printed.splitlines() if b"dify-vllm-deploy-tcp-" in line)
    fact = windows_network.FirewallRules()
    assert len(fact.process([_line(ours + b"\r\nexit code 0\n")]) or {}) == 2
    assert fact.process([_line(b"exit code 0\n")]) == {}
    assert fact.process([_line(b"exit code 127\n")]) is None
    assert fact.process([]) is None


@pytest.mark.parametrize(
    ("desktop", "mode", "found"),
    [
        (False, "nat", Way.PORT_PROXY),
        (False, "", Way.PORT_PROXY),
        (False, "virtioproxy", Way.PORT_PROXY),
        (True, "nat", Way.DESKTOP),
        (True, "mirrored", Way.DESKTOP),
        (False, "mirrored", Way.MIRRORED),
        (False, "bridged", Way.BRIDGED),
    ],
)
def test_the_way_to_the_lan(desktop: bool, mode: str, found: Way) -> None:
    assert way(desktop, mode) is found
    assert found.forwards == (found is Way.PORT_PROXY)


@pytest.mark.parametrize(
    ("wslinfo", "mode"), [("echo Mirrored", "mirrored"), ("echo nat", "nat"), ("exit 127", "")]
)
def test_the_mode_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wslinfo: str, mode: str
) -> None:
    program = tmp_path / "wslinfo"
    program.write_text(f'#!/bin/sh\n[ "$*" = --networking-mode ] || exit 9\n{wslinfo}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask(windows_network.NetworkingMode) == mode


def test_what_a_dify_says_of_its_ports_and_nothing_else(tmp_path: Path) -> None:
    assert ask(docker.NginxVariables, folder=str(tmp_path)) == {}
    (tmp_path / ".env").write_text(
        "SECRET_KEY=never\r\n# EXPOSE_NGINX_PORT=1\r\nEXPOSE_NGINX_PORT=80\r\n"
        'export EXPOSE_NGINX_PORT = "127.0.0.1:8080" # mine\r\nNGINX_HTTPS_ENABLED=true\r\nNGINX_PORT=82\r\n'
    )
    assert ask(docker.NginxVariables, folder=str(tmp_path)) == {
        "EXPOSE_NGINX_PORT": "127.0.0.1:8080",
        "NGINX_HTTPS_ENABLED": "true",
    }
