"""Who listens on a host: what ss and Docker print, read; and who keeps a server from its ports."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_hardware_facts import ask, tool

from provision.domain.deployment import ModelServer
from provision.domain.listeners import Listener, Published, Socket, port_problems
from provision.domain.settings import ChatSettings, ServingSettings
from provision.facts.listeners import Listeners, PublishedPorts

GATEWAY = "/srv/dify-vllm/services/chat-gateway/state"

# iproute2 6.1, as root; the third line is of a process that root may not look into.
SS = r"""udp UNCONN 0      0      127.0.0.53%lo:53   0.0.0.0:* uid:{uid} ino:2 sk:1
tcp LISTEN 0      511          0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid={ours},fd=6),("nginx",pid=999999,fd=6)) uid:{uid} ino:7 sk:171 cgroup:/system.slice/x.service <->
tcp LISTEN 0      2048       127.0.0.1:8000 0.0.0.0:* uid:4294967 ino:3061373 sk:1223 cgroup:unreachable:1 <->
tcp LISTEN 0      128                *:9000       *:* users:(("a \\c uid:5 b",pid={pid},fd=21)) ino:9 sk:173 v6only:0 <->
tcp LISTEN 0      128             [::]:22      [::]:* users:(("sshd",pid=999999,fd=4)) ino:8 sk:17 v6only:1 <->"""  # noqa: E501


def test_listeners_with_their_owners(tmp_path: Path) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    state = tmp_path / "services/chat-gateway/state"
    state.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], cwd=state) as gateway:
        listing = SS.format(ours=gateway.pid, pid=os.getpid(), uid=os.getuid())
        found = ask(Listeners, tool(tmp_path, "ss", f"cat <<'E'\n{listing}\nE"))
        gateway.kill()
    here = str(Path.cwd())
    assert found == [
        Listener("127.0.0.53", 53, "udp", account=me),
        Listener("0.0.0.0", 8080, "tcp", "nginx", (gateway.pid, 999999), (str(state),), me),
        Listener("127.0.0.1", 8000, "tcp", account="4294967"),
        Listener("*", 9000, "tcp", "a \\\\c uid:5 b", (os.getpid(),), (here,)),
        Listener("[::]", 22, "tcp", "sshd", (999999,)),
    ]
    assert found[1].service == "chat-gateway"


def test_a_host_whose_listeners_cannot_be_told(tmp_path: Path) -> None:
    assert ask(Listeners, tool(tmp_path, "ss", "exit 127")) is None
    assert Listeners().process([]) is None
    assert ask(Listeners, tool(tmp_path, "ss", "exit 0")) == []


def test_ports_that_docker_publishes() -> None:
    lines = [
        "/docker-nginx-1|80/tcp|0.0.0.0|81|docker|/opt/dify/docker",
        "/docker-nginx-1|80/tcp|::|81|docker|/opt/dify/docker",
        "",
        "/registry|5000/tcp||5000||",
        "/dns|53/udp|127.0.0.1|53|home|/srv/a|b",
    ]
    assert PublishedPorts().process(lines) == [
        Published("0.0.0.0", 81, "tcp", "docker-nginx-1", "docker", "/opt/dify/docker"),
        Published("[::]", 81, "tcp", "docker-nginx-1", "docker", "/opt/dify/docker"),
        Published("0.0.0.0", 5000, "tcp", "registry", ""),
        Published("127.0.0.1", 53, "udp", "dns", "home", "/srv/a|b"),
    ]


def test_a_host_without_docker(tmp_path: Path) -> None:
    assert ask(PublishedPorts, tool(tmp_path, "docker", "echo no >&2; exit 1")) == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("0.0.0.0", True),
        ("*", True),
        ("[::]", True),
        ("10.0.0.5", True),
        ("172.17.0.1", True),
        ("127.0.0.1", False),
        ("127.0.1.1", False),
        ("[::1]", False),
        ("[::ffff:127.0.0.1]", False),
        ("[::ffff:10.0.0.5]", True),
    ],
)
def test_what_others_can_knock_at(address: str, public: bool) -> None:
    assert Socket(address, 1).is_public is public


def problems(*found: Listener, **serving: Any) -> list[str]:
    server = ModelServer("chat", "host", ChatSettings(), ServingSettings(**serving), "http://host:8080/v1")
    return list(port_problems(server, found))


def test_a_foreign_process_on_the_gateways_port() -> None:
    jupyter = Listener("0.0.0.0", 8080, program="jupyter-lab", pids=(77,), places=("/root",))
    assert problems(jupyter) == [
        "chat.listen_port = 8080: jupyter-lab (process 77) listens there (0.0.0.0:8080); end it, or set "
        "chat.listen_port to a free port"
    ]


def test_a_foreign_process_on_vllms_port() -> None:
    other = Listener("*", 8000, program="python", pids=(9,), places=("/opt/other",))
    assert problems(other) == [
        "chat.vllm_port = 8000: python (process 9) listens there (*:8000); end it, or set chat.vllm_port to "
        "a free port"
    ]


def test_an_owner_that_the_login_may_not_see() -> None:
    (found,) = problems(Listener("0.0.0.0", 8080, account="jovyan"))
    assert "a process of jovyan listens there" in found
    # Ours run under an account of their own: in a container root may not look into them either.
    assert problems(Listener("0.0.0.0", 8080, account="dify-vllm")) == []
    assert problems(Listener("0.0.0.0", 8080, account="me"), user="me") == []


@pytest.mark.parametrize(
    "listener",
    [
        Listener("0.0.0.0", 8080, program="nginx", pids=(813,), places=(GATEWAY,)),
        Listener("127.0.0.1", 8000, pids=(4,), places=("/hy-tmp/d/services/score-vllm/state (deleted)",)),
        Listener("0.0.0.0", 9000, program="other", pids=(1,), places=("/",)),
        Listener("192.168.1.9", 8000, program="other", pids=(1,), places=("/",)),
        Listener("[::]", 8080, program="other", pids=(1,), places=("/",)),
        Listener("0.0.0.0", 8080, "udp", program="other", pids=(1,), places=("/",)),
    ],
    ids=["ours", "of a removed folder", "another port", "another address", "IPv6 only", "UDP"],
)
def test_ports_that_may_be_taken(listener: Listener) -> None:
    assert problems(listener) == []
