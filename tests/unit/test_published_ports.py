"""Ports that Dify publishes: who has them, on Linux and on Windows, and which one "auto" takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.domain import published
from provision.domain.deployment import Deployment, deployment
from provision.domain.listeners import Listener, Published
from provision.domain.portproxy import Rule
from provision.domain.settings import DifySettings
from provision.domain.windows_ports import Process, WindowsPorts, parse_ports

FIXTURES = Path(__file__).parents[1] / "fixtures/windows"
OURS = "/opt/dify/docker"


def windows(netstat: str = "en", tasklist: str = "en", excluded: str = "en") -> WindowsPorts:
    found = parse_ports(
        *((FIXTURES / f"{name}.txt").read_bytes()
          for name in (f"netstat-{netstat}", f"tasklist-{tasklist}", f"excluded-{excluded}"))
    )  # fmt: skip
    assert found
    return found


@pytest.mark.parametrize(("netstat", "other"), [("en", "en"), ("zh", "zh"), ("de", "en")])
def test_every_language_of_windows_says_the_same(netstat: str, other: str) -> None:
    """The layout is that of public captures; the translated words are ours, and must not matter."""
    found = windows(netstat, other, other)
    assert found.listeners == windows().listeners
    assert found.processes == windows().processes
    assert found.excluded == ((5357, 5357), (8050, 8149))


@pytest.mark.parametrize(
    ("port", "who"),
    [
        (80, "HTTP.sys (process 4), for a web service of Windows (running here: IIS (W3SVC), IIS (WAS)"),
        (3306, "mysqld.exe (MySQL80), process 3308 of Windows"),
        (
            8081,
            "Windows' reserved range 8050-8149 (netsh interface ipv4 show excludedportrange protocol=tcp)",
        ),
        (8149, "Windows' reserved range 8050-8149"),
    ],
)
def test_who_has_a_port_of_windows(port: int, who: str) -> None:
    assert (windows().holder(port, {81}) or "").startswith(who)


@pytest.mark.parametrize(
    ("port", "why"),
    [
        (81, "IP Helper listens there for a rule, WSL's relay for the distribution"),
        (443, "nobody"),
        (8443, "only as the other side of a connection"),
        (50010, "kept by an administrator, so that programs get it"),
    ],
)
def test_what_is_free_on_windows(port: int, why: str) -> None:
    assert windows().holder(port, {81}) is None, why


def test_a_port_that_ip_helper_listens_on_is_not_lost_to_a_range() -> None:
    found = WindowsPorts((("0.0.0.0", 81, 7),), {7: Process("svchost.exe", ("iphlpsvc",))}, ((80, 90),))
    assert found.holder(81, {81}) is None
    assert found.holder(82, {81}) is not None


def test_ip_helper_without_a_rule_of_ipv4_listens_for_another_kind_of_rule() -> None:
    assert str(windows().holder(81, ())).startswith("IP Helper (process 6588 of Windows), for a rule of")


def test_without_any_listener_the_programs_did_not_run() -> None:
    assert parse_ports(b"", b"", b"") is None
    assert parse_ports(b"\r\n/init: exec format error", b"", b"") is None


LISTENING = (
    Listener("0.0.0.0", 81, program="docker-proxy", pids=(9,)),
    Listener("0.0.0.0", 8080, program="docker-proxy", pids=(10,)),
    Listener("127.0.0.1", 443, program="apache2", pids=(11,)),
    Listener("[::]", 82, program="ip6only", pids=(12,)),
    Listener("*", 83, account="www-data"),
    Listener("0.0.0.0", 84, "udp", program="dnsmasq", pids=(13,)),
)
CONTAINERS = [
    Published("0.0.0.0", 81, container="docker-nginx-1", folder=OURS),
    Published("[::]", 81, container="docker-nginx-1", folder=OURS),
    Published("0.0.0.0", 9443, container="docker-nginx-1", folder=OURS),
    Published("0.0.0.0", 53, "udp", container="docker-dns-1", folder=OURS),
    Published("0.0.0.0", 8080, container="wordpress", folder="/srv/blog"),
    Published("0.0.0.0", 444, "udp", container="quic", folder="/srv/blog"),
]


@pytest.mark.parametrize(
    ("port", "who"),
    [
        (81, None),
        (9443, None),
        (82, None),
        (84, None),
        (444, None),
        (8080, "the container wordpress"),
        (443, "apache2 (process 11) on 127.0.0.1"),
        (83, "a process of www-data"),
    ],
)
def test_who_has_a_port_of_the_dify_host(port: int, who: str | None) -> None:
    own = published.ours(CONTAINERS, OURS)
    assert own == {81, 9443}
    assert published.linux_holder(LISTENING, CONTAINERS, own)(port) == who


def test_who_has_a_port_of_windows_by_a_rule() -> None:
    """``*`` is a key of its own beside ``0.0.0.0``; both listen on the port."""
    holder = published.rule_holder([Rule("*", 81, "nas", 80), Rule("192.168.1.117", 443, "10.0.0.9", 443)])
    assert holder(80) is None
    assert holder(81) == (
        "the port proxy rule *:81 -> nas:80 of Windows, not made by this deploy "
        "(netsh interface portproxy delete v4tov4 listenport=81),"
    )
    assert "delete v4tov4 listenport=443 listenaddress=192.168.1.117)" in str(holder(443))


def test_a_clash_names_setting_holder_and_a_free_port() -> None:
    taken = {80: "a", 81: "b", 8081: "c"}
    dify = DifySettings(port=81, ssl_port=8082)
    assert list(published.clashes(dify, taken.get, None)) == [
        "dify.port = 81: b has this port; end that, or set dify.port to a free one, such as 8083"
    ]
    # With a door, one that may be opened.
    assert "such as 8090" in next(published.clashes(dify, taken.get, [81, 8090]))
    other = DifySettings(plugin_debugging_port=5003)
    assert list(published.clashes(other, {443: "IIS", 5003: "x", 5004: "y"}.get, None)) == [
        "dify.ssl_port = 443: IIS has this port; end that, or set dify.ssl_port to a free one, such as 444",
        "dify.plugin_debugging_port = 5003: x has this port; end that, or set dify.plugin_debugging_port "
        "to a free one, such as 5005",
    ]


def _auto(**dify: object) -> Deployment:
    data = {
        "m": {"ssh_hostname": "10.0.0.1", "chat": {"listen_port": 8081}, "dify": {"port": "auto", **dify}}
    }
    return deployment({"chat": ["m"], "dify": ["m"]}, data)


@pytest.mark.parametrize(
    ("taken", "allowed", "port"),
    [
        ({}, None, 80),
        ({80: "a"}, None, 81),
        ({80: "a", 81: "b"}, None, 8082),  # 8081 is the chat model's
        ({}, [443, 8090], 8090),
    ],
)
def test_auto_takes_the_first_free_port(taken: dict[int, str], allowed: list[int] | None, port: int) -> None:
    found = published.chosen(_auto(), None, taken.get, allowed)
    assert found
    assert found.dify.port == port
    assert found.dify_url == ("http://10.0.0.1" if port == 80 else f"http://10.0.0.1:{port}")


def test_auto_keeps_its_choice() -> None:
    found = published.chosen(_auto(public_url="http://192.168.1.117"), 8085, {}.get, [81])
    assert found
    assert (found.dify.port, found.dify_url) == (8085, "http://192.168.1.117:8085")
    proxied = published.chosen(_auto(public_url="https://bot.example.com"), 8085, {}.get, None)
    assert proxied
    assert proxied.dify_url == "https://bot.example.com"


def test_auto_finds_nothing() -> None:
    assert published.chosen(_auto(), None, lambda _: "everything", None) is None
    assert published.chosen(_auto(), None, {}.get, []) is None


def test_what_the_lan_needs() -> None:
    assert published.lan_ports(DifySettings(), {}) == [81]
    assert published.lan_ports(DifySettings(lan_access=None, plugin_debugging_port=5003), {}) == []
    everything = DifySettings(plugin_debugging_port=5003, env={"NGINX_HTTPS_ENABLED": "true"})
    assert published.lan_ports(everything, {}) == [81, 443, 5003]


def test_the_lan_needs_what_difys_own_file_switches_on() -> None:
    on, off = {"NGINX_HTTPS_ENABLED": "true"}, {"NGINX_HTTPS_ENABLED": "false"}
    assert published.lan_ports(DifySettings(), on) == [81, 443]
    assert published.lan_ports(DifySettings(), off) == [81]
    assert published.lan_ports(DifySettings(env=off), on) == [81]
    assert published.lan_ports(DifySettings(env=on), off) == [81, 443]
