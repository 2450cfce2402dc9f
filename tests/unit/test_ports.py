"""What is decided of Dify's ports before anything is touched, from what the Dify host and Windows say."""

from __future__ import annotations

from typing import Any

import pytest
from pyinfra.api import FactBase
from pyinfra.api.exceptions import DeployError

from provision.domain.compose_files import Choice
from provision.domain.deployment import Deployment, deployment
from provision.domain.listeners import Published
from provision.domain.portproxy import Rule
from provision.domain.windows_door import Settings
from provision.domain.windows_ports import Process, WindowsPorts
from provision.facts.adoption import (
    ComposeFiles,
    ComposeProject,
    Installations,
    MadeByHand,
    RememberedFolder,
)
from provision.facts.containers import ComposeContainers
from provision.facts.docker import DockerDesktop, NginxVariables
from provision.facts.git import CheckedOutTag
from provision.facts.listeners import Listeners, PublishedPorts
from provision.facts.windows import (
    DoorSettings,
    IsWsl,
    OwnedRules,
    PortProxyRules,
    TaskRegistered,
    WslAddress,
)
from provision.facts.windows_network import NetworkingMode, PortsOfWindows
from provision.operations import dify_stack
from provision.operations import windows as windows_operations
from tasks import adoption, ports

ADDRESS = "172.19.173.46"
OURS = Rule("0.0.0.0", 81, ADDRESS, 81)
FOREIGN = Rule("*", 81, "192.168.1.9", 80)
DESKTOP = {DockerDesktop: True}
MIRRORED = {NetworkingMode: "mirrored"}
RUNNING = {PublishedPorts: [Published("0.0.0.0", 81, container="docker-nginx-1", folder="/opt/dify/docker")]}


class Windows:
    """A Dify host in WSL, on a Windows where the door was built and nothing is in the way."""

    name = "m"

    def __init__(self, facts: dict[type[FactBase[Any]], Any]) -> None:
        self._facts = {
            IsWsl: True,
            PublishedPorts: [],
            Listeners: [],
            PortsOfWindows: WindowsPorts((("0.0.0.0", 135, 1048),)),
            PortProxyRules: [],
            OwnedRules: frozenset(),
            WslAddress: ADDRESS,
            DockerDesktop: False,
            NetworkingMode: "nat",
            TaskRegistered: True,
            DoorSettings: Settings(allowed_ports=[80, 81, 443]),
            NginxVariables: {},
            Installations: [],
            RememberedFolder: "",
            MadeByHand: False,
            ComposeFiles: Choice(),
            ComposeProject: "docker",
            ComposeContainers: [],
            CheckedOutTag: "",
        } | facts

    def get_fact(self, fact: type[FactBase[Any]], **arguments: Any) -> Any:
        del arguments
        return self._facts[fact]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replace(facts: dict[type[FactBase[Any]], Any]) -> None:
        for module in (ports, windows_operations, adoption, dify_stack):
            monkeypatch.setattr(module, "host", Windows(facts))

    return replace


def settings(**dify: object) -> Deployment:
    return deployment(
        {"chat": ["m"], "dify": ["m"]},
        {"m": {"ssh_hostname": "192.168.1.117", "chat": {"transport": "direct"}, "dify": dify}},
    )


def problems(on: Any, facts: dict[type[FactBase[Any]], Any], **dify: object) -> list[str]:
    on(facts)
    return list(ports.port_problems(settings(**dify)))


def test_nothing_is_in_the_way(on: Any) -> None:
    assert problems(on, {}) == []
    assert problems(on, {PortProxyRules: [OURS], OwnedRules: frozenset({OURS.key}), **RUNNING}) == []


@pytest.mark.parametrize(
    "facts",
    [{}, RUNNING, DESKTOP, {**DESKTOP, **RUNNING}, MIRRORED, {**MIRRORED, **RUNNING}],
    ids=["nat", "nat, running", "desktop", "desktop, running", "mirrored", "mirrored, running"],
)
@pytest.mark.parametrize("access", ["localsubnet", None])
@pytest.mark.parametrize(
    ("rule", "removal"),
    [
        (FOREIGN, "delete v4tov4 listenport=81"),
        (Rule("0.0.0.0", 81, "192.168.1.9", 80), "delete v4tov4 listenport=81 listenaddress=0.0.0.0"),
        (
            Rule("192.168.1.117", 81, "nas", 81),
            "delete v4tov4 listenport=81 listenaddress=192.168.1.117",
        ),
    ],
    ids=["*", "0.0.0.0", "one address"],
)
def test_a_foreign_rule_on_our_port_is_an_error_whatever_the_way_to_the_lan(
    on: Any, facts: dict[Any, Any], access: str | None, rule: Rule, removal: str
) -> None:
    [problem] = problems(on, {PortProxyRules: [rule], **facts}, lan_access=access)
    assert problem.startswith(f"dify.port = 81: the port proxy rule {rule} of Windows, not made by this")
    assert f"(netsh interface portproxy {removal})" in problem
    assert "set dify.port to a free one, such as 80" in problem


def test_beside_our_own_rule_a_foreign_one_with_a_star_is_still_an_error(on: Any) -> None:
    found = {PortProxyRules: [FOREIGN, OURS], OwnedRules: frozenset({OURS.key}), **RUNNING}
    [problem] = problems(on, found)
    assert str(FOREIGN) in problem


def test_the_owners_own_identical_rule_is_welcome_where_one_is_needed(on: Any) -> None:
    assert problems(on, {PortProxyRules: [OURS]}) == []
    assert problems(on, {PortProxyRules: [OURS]}, lan_access=None) == []
    for other in (DESKTOP, MIRRORED):
        assert len(problems(on, {PortProxyRules: [OURS], **other})) == 1


def test_a_rule_to_ipv6_on_our_port_is_an_error(on: Any) -> None:
    """Only IPv4 rules are read; IP Helper's listener tells of the others."""
    listening = WindowsPorts((("0.0.0.0", 81, 7),), {7: Process("svchost.exe", ("iphlpsvc",))})
    [problem] = problems(on, {PortsOfWindows: listening})
    assert "dify.port = 81: IP Helper (process 7 of Windows)" in problem
    assert problems(on, {PortsOfWindows: listening, PortProxyRules: [OURS]}) == []


def test_auto_passes_over_ports_of_foreign_rules(on: Any) -> None:
    def chosen(*rules: Rule) -> int:
        on({PortProxyRules: list(rules), TaskRegistered: False})
        return ports.resolved(settings(port="auto")).dify.port

    star, all_addresses = Rule("*", 80, "nas", 80), Rule("0.0.0.0", 80, "nas", 80)
    assert chosen() == 80
    assert chosen(star) == chosen(all_addresses) == 81
    assert chosen(star, FOREIGN) == 8081
    # Somebody forwards this port to WSL already: for something of his.
    assert chosen(Rule("0.0.0.0", 80, ADDRESS, 80)) == 81


def test_auto_keeps_the_port_of_difys_own_file_however_it_is_spelled(on: Any) -> None:
    on({NginxVariables: {"EXPOSE_NGINX_PORT": "127.0.0.1:8085"}, **RUNNING})
    assert ports.resolved(settings(port="auto")).dify.port == 8085


def test_auto_says_what_the_door_may_open(on: Any) -> None:
    on({PortProxyRules: [FOREIGN], DoorSettings: Settings(allowed_ports=[81])})
    with pytest.raises(DeployError, match=r"that 'dify-vllm-deploy door' may open \(81\) is free"):
        ports.resolved(settings(port="auto"))


def test_settings_of_the_door_that_cannot_be_read_are_told_as_that(on: Any) -> None:
    """With a port or without one: what the administrator allowed is not known, so nothing is said of it."""
    on({DoorSettings: None})
    found = ports.resolved(settings(port="auto"))
    assert found.dify.port == 80
    [problem] = ports.port_problems(found)
    assert "C:/Program Files/dify-vllm-deploy/settings.json, cannot be read" in problem
    assert r"bootstrap\windows.ps1" in problem
    assert problems(on, {DoorSettings: None}, lan_access=None) == []


def test_the_https_port_of_difys_own_file_has_to_be_allowed(on: Any) -> None:
    found = {
        NginxVariables: {"NGINX_HTTPS_ENABLED": "true"},
        DoorSettings: Settings(allowed_ports=[81]),
    }
    assert "has not allowed port 443" in problems(on, found)[0]
    assert problems(on, {**found, NginxVariables: {}}) == []


def test_programs_of_windows_that_do_not_run(on: Any) -> None:
    for fact, name in ((PortsOfWindows, "netstat.exe"), (PortProxyRules, "reg.exe")):
        [problem] = problems(on, {fact: None})
        assert problem.startswith(f"Windows' {name} does not run from here")


def test_for_nobody_on_the_lan_no_door_is_needed(on: Any) -> None:
    nothing = {TaskRegistered: False, DoorSettings: None}
    assert problems(on, nothing, lan_access=None) == []
    assert "no task that opens ports" in problems(on, nothing)[0]
    on(nothing)
    assert ports.resolved(settings(port="auto", lan_access=None)).dify.port == 80
