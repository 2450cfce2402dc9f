"""Nothing public by accident: which sockets of a host are refused, reported, or as declared."""

from __future__ import annotations

from typing import Any

import pytest

from provision.domain.deployment import deployment
from provision.domain.gate import Gate, gate, sockets
from provision.domain.listeners import Listener, Published, Socket

SERVICES = "/srv/dify-vllm/services"
SSHD = Listener("0.0.0.0", 22, program="sshd", pids=(55,), places=("/",))
VLLM = Listener("127.0.0.1", 8000, program="vllm", pids=(7,), places=(f"{SERVICES}/chat-vllm/state",))
GATEWAY = Listener("0.0.0.0", 8080, program="nginx", pids=(8,), places=(f"{SERVICES}/chat-gateway/state",))
WEB = Published("0.0.0.0", 81, container="docker-nginx-1", project="docker")


BRIDGE = "172.17.0.1"
TUNNEL = Listener(BRIDGE, 18001, "tcp", "ssh", (6,), ("/var/lib/d/services/embed-tunnel/state",))


def at(host: str, **chat: Any) -> Gate:
    groups = {"chat": ["gpu"], "embed": ["rented"], "dify": ["home"]}
    data: dict[str, dict[str, Any]] = {
        "gpu": {"ssh_hostname": "10.0.0.5", "chat": chat},
        "rented": {"ssh_hostname": "i-2.gpushare.com"},
        "home": {"ssh_hostname": "10.0.0.6"},
    }
    found = deployment(groups, data)
    return gate(found, host, project="docker", bridge=BRIDGE, tunnels="dify-vllm-tunnel")


def moved(listener: Listener, address: str, port: int | None = None) -> Listener:
    return Listener(address, port or listener.port, "tcp", listener.program, listener.pids, listener.places)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("gpu", [SSHD, VLLM, GATEWAY]),
        ("gpu", [moved(GATEWAY, "10.0.0.5")]),
        ("gpu", [Listener("0.0.0.0", 8080, account="dify-vllm"), Listener("127.0.0.1", 8000)]),
        ("home", [WEB, Published("[::]", 443, container="docker-nginx-1", project="docker")]),
        ("home", [Published("127.0.0.1", 5003, container="docker-plugin_daemon-1", project="docker")]),
        ("home", [TUNNEL, Listener(BRIDGE, 18001, account="dify-vllm-tunnel")]),
    ],
    ids=[
        "as it is",
        "on less than declared",
        "hidden processes",
        "Dify",
        "a container's loopback port",
        "a tunnel",
    ],
)
def test_what_is_declared(host: str, found: list[Socket]) -> None:
    assert list(at(host).problems(found)) == []


def test_vllm_itself_is_public() -> None:
    (said,) = at("gpu").problems([SSHD, GATEWAY, moved(VLLM, "0.0.0.0")])
    assert said == (
        "vllm (process 7) in /srv/dify-vllm/services/chat-vllm/state listens on 0.0.0.0:8000; no setting "
        "declares that. vLLM belongs on 127.0.0.1, behind its gateway: end this process, and look at "
        "chat.env and chat.extra_args for what put it there"
    )


def test_vllm_on_the_port_of_its_gateway() -> None:
    """The notes' own command: --host 0.0.0.0 --port 8080."""
    assert len(list(at("gpu").problems([moved(VLLM, "0.0.0.0", 8080)]))) == 1


@pytest.mark.parametrize("address", ["0.0.0.0", "*", "[::]", "172.17.0.1"])
def test_a_gateway_that_listens_on_more_than_is_declared(address: str) -> None:
    (said,) = at("gpu", listen_address="10.0.0.5").problems([moved(GATEWAY, address)])
    assert said == (
        "nginx (process 8) in /srv/dify-vllm/services/chat-gateway/state listens on "
        f"{address}:8080; declared is 10.0.0.5:8080 (chat.listen_address, chat.listen_port). End it, or "
        "declare it there"
    )


def test_a_service_whose_role_went_to_another_host() -> None:
    score = Listener("0.0.0.0", 8082, program="nginx", pids=(3,), places=("/d/services/score-gateway/state",))
    for host in ("gpu", "home"):
        (said,) = at(host).problems([score])
        assert "nginx (process 3) in /d/services/score-gateway/state listens on 0.0.0.0:8082" in said
        assert said.endswith("a role that this host does not have (any more): stop and disable its service")


def test_many_sockets_of_one_process_are_one_problem() -> None:
    """vLLM's processes talk to each other, on some dozen ports."""
    (said,) = at("gpu").problems([moved(VLLM, "10.0.0.5", port) for port in range(40000, 40013)])
    assert "listens on 10.0.0.5:40000, 10.0.0.5:40001, 10.0.0.5:40002 and 10 more; no setting" in said


def test_hidden_processes_of_our_account() -> None:
    """As in a rented container, where root may not look into the processes of other accounts."""
    gloo = Listener("172.18.0.3", 40831, account="dify-vllm")
    (said,) = at("gpu").problems([gloo, Listener("0.0.0.0", 8080, account="dify-vllm")])
    assert "a process of dify-vllm listens on 172.18.0.3:40831; declared is 0.0.0.0:8080" in said
    jupyter = Listener("0.0.0.0", 8888, account="jovyan")
    assert list(at("gpu").problems([jupyter])) == []
    assert at("gpu").others([jupyter]) == ["a process of jovyan on 0.0.0.0:8888"]


def test_a_tunnel_that_everybody_can_use() -> None:
    (said,) = at("home").problems([moved(TUNNEL, "0.0.0.0")])
    assert (
        "listens on 0.0.0.0:18001; declared is 172.17.0.1:18001 (Docker's bridge, embed.tunnel_port)" in said
    )
    # To a model that is reached directly now.
    chat = Listener(BRIDGE, 18000, "tcp", "ssh", (6,), ("/var/lib/d/services/chat-tunnel/state",))
    (said,) = at("home").problems([chat])
    assert "listens on 172.17.0.1:18000; no setting declares that" in said


def test_a_gateway_behind_a_tunnel_is_on_loopback() -> None:
    gateway = Listener("0.0.0.0", 8080, "tcp", "nginx", (8,), (f"{SERVICES}/embed-gateway/state",))
    (said,) = at("rented").problems([gateway, moved(gateway, "127.0.0.1")])
    assert "declared is 127.0.0.1:8080 (embed.listen_address, embed.listen_port)" in said


def test_udp_is_never_declared() -> None:
    udp = Listener("0.0.0.0", 8080, "udp", "nginx", (8,), GATEWAY.places)
    assert len(list(at("gpu").problems([udp]))) == 1


def test_a_container_of_difys_that_publishes_more() -> None:
    port = Published("0.0.0.0", 5003, container="docker-plugin_daemon-1", project="docker")
    (said,) = at("home").problems([WEB, port])
    assert said == (
        "container docker-plugin_daemon-1 listens on 0.0.0.0:5003; declared is 0.0.0.0:81 (dify.port) and "
        "0.0.0.0:443 (dify.ssl_port). Publish it on 127.0.0.1 or not at all: look at dify.env and Dify's "
        "compose files"
    )
    # The same project's name on a host that has no Dify of ours.
    assert list(at("gpu").problems([port])) == []


def test_others_are_told_and_nothing_more() -> None:
    found: list[Socket] = [
        Listener("[::]", 22, program="sshd", pids=(55,)),
        Published("0.0.0.0", 9000, container="portainer", project="tools"),
        Listener("0.0.0.0", 68, "udp", "dhclient", (2,)),
        SSHD,
        SSHD,
        Listener("127.0.0.1", 631, program="cupsd", pids=(4,)),
        VLLM,
        GATEWAY,
    ]
    assert at("gpu").others(found) == [
        "sshd on [::]:22",
        "sshd on 0.0.0.0:22",
        "dhclient on 0.0.0.0:68/udp",
        "container portainer on 0.0.0.0:9000",
    ]
    assert list(at("gpu").problems(found)) == []


def test_a_published_port_is_one_with_its_proxy() -> None:
    proxy = Listener("0.0.0.0", 81, program="docker-proxy", pids=(9,), places=("/",))
    assert sockets([SSHD, proxy], [WEB]) == [SSHD, WEB]
    # What is ours is never taken for Docker's.
    ours = moved(VLLM, "10.0.0.6", 81)
    assert sockets([ours], [WEB]) == [ours, WEB]
