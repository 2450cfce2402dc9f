"""A rented box publishes nothing but its ssh; Dify reaches its model all the same, also after trouble."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import httpx
import pytest
from conftest import Run, apply, plan, processes, setting, writes_at_the_door

from lab import addresses
from lab.docker import DockerError
from lab.hosts import reboot
from lab.waiting import until

pytestmark = pytest.mark.usefixtures("converged")

RENTED = f"http://{addresses.RENTED_PUBLISHED[0]}:{addresses.RENTED_PUBLISHED[1]}"
FOLDER = "/var/lib/dify-vllm-deploy/services/score-tunnel"
STARTED = f"{FOLDER}/state/started"


def answers(on: Callable[..., str], role: str, port: int) -> bool:
    """Whether the model answers at the tunnel's near end; asked on Dify's host."""
    key = on("dify-wsl", "cat", f"/etc/dify-vllm-deploy/secrets/{role}-api-key").strip()
    with contextlib.suppress(DockerError):
        said = on("dify-wsl", "curl", "-sS", "--max-time", "5", "-H", f"Authorization: Bearer {key}",
                  f"http://172.17.0.1:{port}/v1/models")  # fmt: skip
        return "max_model_len" in said
    return False


@pytest.mark.parametrize(
    "closed", [f"http://{addresses.GPU_EMBED.ip}:8080", f"http://{addresses.GPU_SCORE.ip}:8080", RENTED]
)
def test_the_models_ports_are_closed_to_everybody_else(closed: str) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{closed}/health")


def test_the_tunnels_key_opens_one_port_and_runs_nothing(on: Callable[..., str]) -> None:
    box = addresses.GPU_SCORE

    def ssh(arguments: str, before: str = "true") -> str:
        """With the tunnel's key, but as somebody would who has stolen it."""
        options = f"-o UserKnownHostsFile={FOLDER}/known_hosts -o HostKeyAlias=score -o BatchMode=yes"
        login = f"ssh -i /root/stolen {options} -p {box.ssh_port} root@{box.ip} {arguments} 2>&1"
        return on("dify-wsl", "bash", "-c", f"{{ {before}; }} | {login} || echo refused $?")

    on("dify-wsl", "install", "-m", "600", f"{FOLDER}/key", "/root/stolen")
    try:
        for attempt in ("id", "-tt bash", "-s"):
            said = ssh(attempt, "echo id")
            assert "uid=" not in said
            assert "refused" in said
        past_the_gateway = ssh("-W 127.0.0.1:8002")
        assert "administratively prohibited" in past_the_gateway
        back = ssh("-N -o ExitOnForwardFailure=yes -R 127.0.0.1:9999:127.0.0.1:22")
        assert "remote port forwarding failed" in back
        assert "refused 255" in back
        question = "printf 'GET /health HTTP/1.0\\r\\n\\r\\n'; sleep 5"
        assert "200 OK" in ssh("-W 127.0.0.1:8080", question)
    finally:
        on("dify-wsl", "rm", "/root/stolen")


def test_a_killed_connection_is_opened_again(on: Callable[..., str]) -> None:
    assert answers(on, "score", 18002)
    tunnel = on("dify-wsl", "cat", STARTED)
    # The box's side of it: the sshd of that session.
    on("gpu-score", "pkill", "-KILL", "-f", "^sshd: root$|^sshd: root@notty")
    until(lambda: answers(on, "score", 18002), "the tunnel to score", 120, pause=1)
    assert on("dify-wsl", "cat", STARTED) != tunnel
    assert apply().changed == {}


@pytest.mark.full
def test_a_rebooted_box_is_reached_again_without_a_run(on: Callable[..., str]) -> None:
    reboot("gpu-embed")
    until(lambda: answers(on, "embed", 18001), "the tunnel to embed", 300, pause=1)
    run = apply()
    assert (run.code, run.changed) == (0, {}), run.output[-4000:]


@pytest.fixture
def no_forwarding(on: Callable[..., str]) -> Iterator[None]:
    """An sshd that forbids it, as some providers set it up."""
    file = "/etc/ssh/sshd_config.d/hardened.conf"
    on("gpu-embed", "sh", "-c", f"echo AllowTcpForwarding no >{file} && systemctl restart ssh")
    yield
    on("gpu-embed", "sh", "-c", f"rm {file} && systemctl restart ssh")
    until(lambda: answers(on, "embed", 18001), "the tunnel to embed", 120, pause=1)


@pytest.mark.usefixtures("no_forwarding")
def test_an_sshd_that_forbids_forwarding_is_named_before_anything_is_touched(on: Callable[..., str]) -> None:
    before = processes(on), writes_at_the_door(on)
    run = apply()
    assert run.code == 1
    assert run.report == {}
    assert (
        "gpu-embed: embed.transport is tunnel, but the sshd here forbids forwarding; set AllowTcpForwarding "
        "to local (or yes)"
    ) in run.output
    assert (processes(on), writes_at_the_door(on)) == before


@pytest.mark.full
def test_a_tunnel_that_does_not_come_up_says_why() -> None:
    run = apply(*setting(score={"tunnel_address": f"{addresses.GPU_SCORE.ip}:20799"}))
    assert run.code == 1
    assert run.changed == {"Tunnels | Keep the way to the score model": ["dify-wsl"]}
    assert f"Dify's host cannot reach {addresses.GPU_SCORE.ip}:20799; set score.tunnel_address" in run.output
    assert apply().changed == run.changed


OTHER_WAYS = {
    "public": setting(score={"transport": "public", "endpoint": f"{RENTED}/v1"}),
    "direct": setting(embed={"transport": "direct"}),
}


@pytest.mark.full
@pytest.mark.parametrize("way", OTHER_WAYS)
def test_other_ways_work_too_and_close_the_tunnel(way: str, on: Callable[..., str]) -> None:
    role, url = {"public": ("score", RENTED), "direct": ("embed", f"http://{addresses.GPU_EMBED.ip}:8080")}[
        way
    ]
    box = {"score": "gpu-score", "embed": "gpu-embed"}[role]
    assert changes(plan(*OTHER_WAYS[way]), role, box)
    run = apply(*OTHER_WAYS[way])
    assert run.code == 0, run.output[-4000:]
    assert changes(run, role, box)
    assert httpx.get(f"{url}/health").status_code == 200
    assert httpx.get(f"{url}/v1/models").status_code == 401
    assert "dify-vllm-deploy" not in on(box, "cat", "/root/.ssh/authorized_keys")
    assert f"{role}-tunnel" not in on(
        "dify-wsl", "ls", "/var/lib/dify-vllm-deploy/services", "/etc/systemd/system"
    )
    assert apply(*OTHER_WAYS[way]).changed == {}
    back = apply()
    assert back.code == 0, back.output[-4000:]
    assert changes(back, role, box)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/health")
    assert apply().changed == {}


def changes(run: Run, role: str, box: str) -> bool:
    return run.changed == {
        "Serving | Put the gateway before it": [box],
        f"Tunnels | Let the key of the {role} model's tunnel in, for one port": [box],
        f"Tunnels | Keep the way to the {role} model": ["dify-wsl"],
        f"Wiring | Connect the {role} model": ["dify-wsl"],
    }
