"""What cannot work is refused or contained, and said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import httpx
import pytest
from conftest import apply, processes, writes_at_the_door

from lab import addresses
from lab.hosts import reboot
from lab.waiting import until

pytestmark = pytest.mark.usefixtures("converged")


def test_a_model_path_that_is_not_there_is_refused_before_anything_is_touched(on: Callable[..., str]) -> None:
    before = processes(on), writes_at_the_door(on)
    run = apply("--data", 'chat={"model_path": "/mnt/d/gx/no-model"}')
    assert run.code == 1
    assert run.report == {}
    assert "gpu-chat: chat.model_path = '/mnt/d/gx/no-model': no model there" in run.output
    assert "Starting operation" not in run.output
    assert (processes(on), writes_at_the_door(on)) == before


def test_an_unreachable_host_stops_only_itself(on: Callable[..., str]) -> None:
    """A wrong ssh port; meanwhile its model answers through its tunnel, and another is to be wired anew."""
    tunnels = on("dify-wsl", "sh", "-c", "cat /var/lib/dify-vllm-deploy/services/*/state/started")
    shorter = ("--data", 'embed={"max_model_len": 256}')
    run = apply(*shorter, inventory="tests/e2e/inventories/unreachable.py")
    assert run.code == 1
    assert run.changed == {
        "Serving | Serve the model with vLLM": ["gpu-embed"],
        "Wiring | Connect the embed model": ["dify-wsl"],
    }
    assert "Not done: gpu-score failed, see above" in run.output
    assert run.report["results"]["failed_hosts"] == ["dify-wsl", "gpu-score"]
    assert on("dify-wsl", "sh", "-c", "cat /var/lib/dify-vllm-deploy/services/*/state/started") == tunnels
    assert apply().changed == run.changed


@pytest.mark.full
def test_every_reason_is_listed_when_endpoints_do_not_answer() -> None:
    closed = (
        '={"endpoint": "http://10.91.0.1:23045/v1", "transport": "direct", "listen_address": "127.0.0.1"}'
    )
    run = apply("--data", f"embed{closed}", "--data", f"score{closed}")
    assert run.code == 1
    assert not any(name.startswith("Wiring") for name in run.changed)
    last = run.output[run.output.index("Not done: ") :]
    assert "embed on gpu-embed is not wired" in last
    assert "score on gpu-score is not wired" in last
    assert "Your bot mofei is ready" in run.output
    assert apply().code == 0
    assert apply().changed == {}


@pytest.mark.full
def test_an_endpoint_by_a_name_that_only_containers_know(on: Callable[..., str]) -> None:
    """As in the notes: vLLM beside Dify, reached as host.docker.internal through the Docker bridge."""
    on("dify-wsl", "systemd-run", "--quiet", "--unit=beside", "--socket-property=ListenStream=0.0.0.0:8090",
       "/lib/systemd/systemd-socket-proxyd", "10.91.0.11:8080")  # fmt: skip
    beside = ("--data", 'chat={"endpoint": "http://host.docker.internal:8090/v1"}')
    run = apply(*beside)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {"Wiring | Connect the chat model": ["dify-wsl"]}
    assert apply(*beside).changed == {}
    assert apply().changed == run.changed
    on("dify-wsl", "systemctl", "stop", "beside.socket", "beside.service")


def test_a_process_that_is_older_than_its_files_is_restarted(on: Callable[..., str]) -> None:
    """As a run leaves it that dies between writing and restarting."""
    on("gpu-chat", "sed", "-i", "s/ [0-9a-f]*$/ 0/", "/srv/dify-vllm/services/chat-gateway/state/started")
    assert apply().changed == {"Serving | Put the gateway before it": ["gpu-chat"]}
    assert apply().changed == {}


@pytest.mark.full
def test_a_rebooted_dify_host_comes_up_by_itself(on: Callable[..., str]) -> None:
    written = writes_at_the_door(on)
    reboot("dify-wsl")
    until(_dify_answers, "Dify, by itself", 60, pause=1)
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {}
    assert writes_at_the_door(on) == written


def _dify_answers() -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://{addresses.WINDOWS.ip}:81/console/api/setup").status_code == 200
    return False


def test_an_installation_of_another_version_is_reported_and_keeps_its_version(
    on: Callable[..., str],
) -> None:
    git = ("git", "-C", "/opt/dify", "tag")
    before = processes(on), on("dify-wsl", "cat", "/opt/dify/docker/.env")
    on("dify-wsl", "sh", "-c", f"{' '.join(git)} 1.15.0 && {' '.join(git)} -d 1.16.1")
    try:
        run = apply()
    finally:
        on("dify-wsl", "sh", "-c", f"{' '.join(git)} 1.16.1 && {' '.join(git)} -d 1.15.0")
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {}
    assert "a running release is never changed in passing" in run.output
    assert "To upgrade it: deploys/upgrade.py --data dify_version=1.16.1" in run.output
    assert (processes(on), on("dify-wsl", "cat", "/opt/dify/docker/.env")) == before
    assert apply().changed == {}


@pytest.mark.full
def test_programs_that_outlive_their_supervisor_do_not_keep_the_new_one_out(on: Callable[..., str]) -> None:
    before = processes(on)["gpu-score"]
    on("gpu-score", "pkill", "-KILL", "-x", "supervisord")
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {"Serving | Have supervisord run": ["gpu-score"]}
    assert apply().changed == {}
    now = processes(on)["gpu-score"]
    assert [line.split()[1] for line in now.splitlines()] == [line.split()[1] for line in before.splitlines()]
    assert now != before


@pytest.mark.full
def test_one_host_holds_three_roles(on: Callable[..., str]) -> None:
    one_box = "tests/e2e/inventories/one_box.py"
    run = apply(inventory=one_box)
    assert run.code == 0, run.output[-6000:]
    assert run.changed["Wiring | Connect the chat model"] == ["dify-wsl"]
    assert run.changed["Serving | Serve the model with vLLM"] == ["gpu-embed"]
    again = apply(inventory=one_box)
    assert again.changed == {}
    assert again.code == 0
    # The roles go back to their own hosts. What they leave behind is still open to everybody.
    back = apply()
    assert back.code == 1
    assert back.report["results"]["failed_hosts"] == ["dify-wsl", "gpu-embed"]
    assert "Not done: gpu-embed failed, see above" in back.output
    for role, port in (("chat", 8081), ("score", 8082)):
        left = f"in /srv/dify-vllm/services/{role}-gateway/state listens on 0.0.0.0:{port}"
        assert left in back.output
    assert "a role that this host does not have (any more): stop and disable its service" in back.output
    units = [f"dify-vllm-{role}-{part}" for role in ("chat", "score") for part in ("gateway", "vllm")]
    on("gpu-embed", "systemctl", "disable", "--quiet", "--now", *units)
    last = apply()
    assert (last.code, last.changed) == (0, {}), last.output[-4000:]
