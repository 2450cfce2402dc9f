"""What breaks comes back: processes by their supervisor, boxes by their own start or by one run."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from conftest import SECRETS, accept, apply, plan, processes, writes_at_the_door

from lab import addresses, lifecycle
from lab.docker import DockerError
from lab.hosts import reboot
from lab.hosts.catalogue import RENTERS_SCRIPT
from lab.waiting import until
from provision.operations.service import HOOK

pytestmark = pytest.mark.usefixtures("converged")

On = Callable[..., str]
SECONDS = 420  # vLLM takes half a minute to start, and several times that on a busy machine
HOOKED = "/root/onstart.sh"
CHAT, EMBED, SCORE = ("gpu-chat", "chat"), ("gpu-embed", "embed"), ("gpu-score", "score")
REQUESTS = {
    "chat": ("completions", {"model": "qwen3-0.6b", "max_tokens": 2, "prompt": "好"}),
    "embed": ("embeddings", {"model": "bge-base-zh-v1.5", "input": ["好"]}),
    "score": ("rerank", {"model": "bge-reranker-base", "query": "好", "documents": ["好", "坏"]}),
}  # fmt: skip


def folder(role: str) -> str:
    return f"/srv/dify-vllm/services/{role}-vllm"


def answers(on: On, name: str, role: str) -> bool:
    """Whether the model does its work, asked on its own host through the gateway."""
    key = on("dify-wsl", "cat", f"{SECRETS}/{role}-api-key").strip()
    path, body = REQUESTS[role]
    with contextlib.suppress(DockerError):
        on(name, "curl", "-sS", "--fail", "--max-time", "60", "-H", f"Authorization: Bearer {key}",
           "--json", json.dumps(body), f"http://127.0.0.1:8080/v1/{path}")  # fmt: skip
        return True
    return False


def main_process(on: On, role: str, name: str) -> str:
    return on(name, "cut", "-d", " ", "-f1", f"{folder(role)}/state/started").strip()


def group(on: On, name: str, leader: str) -> dict[str, str]:
    """The living processes of a service that was started as this process: number to command line."""
    rows = [line.split(None, 2) for line in on(name, "ps", "-eo", "pid=,pgid=,args=").splitlines()]
    return {pid: args for pid, pgid, args in rows if pgid == leader and "<defunct>" not in args}


def engine(on: On, name: str, leader: str) -> str:
    found = [pid for pid, args in group(on, name, leader).items() if "EngineCore" in args]
    assert len(found) == 1
    return found[0]


def log(on: On, name: str, role: str) -> str:
    """What a service and its supervisor have said."""
    if name == "gpu-score":
        return on(name, "cat", "/etc/dify-vllm-deploy/supervisor/supervisord.log")
    return on(name, "journalctl", "--no-pager", "-o", "cat", "--unit", f"dify-vllm-{role}-vllm")


def test_a_killed_server_comes_back_and_leaves_no_orphan(on: On, handover: dict[str, str]) -> None:
    boxes = (CHAT, EMBED, SCORE)
    killed = {name: main_process(on, role, name) for name, role in boxes}
    for name, process in killed.items():
        assert engine(on, name, process) != process
        on(name, "kill", "-KILL", process)
    for name, role in boxes:
        until(
            lambda n=name, r=role: main_process(on, r, n) != killed[n] and answers(on, n, r),
            name,
            SECONDS,
            pause=2,
        )
        assert group(on, name, killed[name]) == {}
    until(lambda: _bot_answers(handover), "an answer of the bot", 60, pause=2)


def _bot_answers(handover: dict[str, str]) -> bool:
    answer = httpx.post(
        f"{handover['API base']}/chat-messages",
        headers={"Authorization": f"Bearer {handover['API key']}"},
        json={"inputs": {}, "query": "你好", "user": "healing", "response_mode": "blocking"},
        timeout=120,
    )
    return answer.status_code == 200 and bool(answer.json()["answer"])


@pytest.mark.full
def test_a_dead_engine_ends_its_server_with_0_and_both_come_back(on: On) -> None:
    """Exit status 0 is why "restart on failure" would not do."""
    boxes = (EMBED, SCORE)
    served = {name: main_process(on, role, name) for name, role in boxes}
    said = {name: len(log(on, name, role)) for name, role in boxes}
    for name, process in served.items():
        on(name, "kill", "-KILL", engine(on, name, process))
    for name, role in boxes:
        until(
            lambda n=name, r=role: main_process(on, r, n) != served[n] and answers(on, n, r),
            name,
            SECONDS,
            pause=2,
        )
        engine(on, name, main_process(on, role, name))
        since = log(on, name, role)[said[name] :]
        ended = "exit status 0" if name == "gpu-score" else "service: Deactivated successfully"
        assert ended in since, since[-3000:]


@pytest.mark.full
def test_a_server_that_ends_at_once_is_reported_with_its_own_words() -> None:
    broken = [f"{role}={json.dumps({'env': {'PYTHONHOME': '/nowhere'}})}" for role in ("embed", "score")]
    run = apply("--data", broken[0], "--data", broken[1], "--data", 'serving={"start_timeout": 20}')
    assert run.code == 1
    assert run.report["results"]["failed_hosts"] == ["dify-wsl", "gpu-embed", "gpu-score"]
    for name in ("gpu-embed", "gpu-score"):
        said = [line for line in run.output.splitlines() if f"[{name}]" in line]
        assert any("No module named 'encodings'" in line for line in said), name
        assert any("The lines above are the end of vLLM's log" in line for line in said), name
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {"Serving | Serve the model with vLLM": ["gpu-embed", "gpu-score"]}


def test_a_rebooted_box_comes_back_by_itself(on: On) -> None:
    """One with systemd; one without, by its provider's start hook."""
    reboot("gpu-embed")
    reboot("gpu-score")
    for name, role in (EMBED, SCORE):
        until(lambda n=name, r=role: answers(on, n, r), name, SECONDS, pause=2)
    run = apply()
    assert (run.code, run.changed) == (0, {}), run.output[-4000:]


def test_the_start_hook_leaves_the_renters_script_as_it_was(on: On) -> None:
    first, _, rest = RENTERS_SCRIPT.partition("\n")
    assert on("gpu-score", "cat", HOOKED) == f"{first}\n{HOOK}\n{rest}"
    started = on("gpu-score", "cat", "/root/starts.log").count("started")
    reboot("gpu-score")
    assert on("gpu-score", "cat", "/root/starts.log").count("started") == started + 1


@pytest.mark.full
def test_without_a_start_hook_the_next_run_brings_the_box_back(on: On) -> None:
    on("gpu-score", "sed", "-i", "/dify-vllm-deploy/d", HOOKED)
    reboot("gpu-score")
    time.sleep(5)
    assert "supervisord" not in on("gpu-score", "sh", "-c", "cat /proc/[0-9]*/comm")
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {
        "Serving | Have supervisord run": ["gpu-score"],
        "Serving | Have the box start supervisord": ["gpu-score"],
    }
    assert apply().changed == {}


@pytest.mark.full
def test_a_box_whose_data_disk_was_emptied_is_brought_back(on: On) -> None:
    """As gpushare does a day after power-off; of the disk only what supervisord needs is taken here."""
    on("gpu-score", "rm", "-rf", "/srv/dify-vllm/services")
    reboot("gpu-score")
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed.keys() >= {
        "Serving | Serve the model with vLLM",
        "Serving | Put the gateway before it",
    }
    assert {name for names in run.changed.values() for name in names} == {"gpu-score"}
    assert apply().changed == {}


TALK = """
from http.client import HTTPConnection
vllm = HTTPConnection("127.0.0.1", 8002)
for _ in range(1800):
    vllm.request("GET", "/" + 60_000 * "x")
    vllm.getresponse().read()
"""


@pytest.mark.full
def test_supervisord_rotates_the_logs(on: On) -> None:
    """vLLM writes every request's path into its log: these fill five files."""
    output = f"{folder('score')}/output.log"
    until(lambda: answers(on, *SCORE), "an answer", SECONDS, pause=2)
    on("gpu-score", "python3", "-c", TALK)
    kept = on("gpu-score", "sh", "-c", f"stat -c '%n %s' {output}*").splitlines()
    assert [line.split()[0] for line in kept] == [output, *(f"{output}.{number}" for number in (1, 2, 3))]
    assert all(int(line.split()[1]) < 21_000_000 for line in kept[:1])
    assert all(20_000_000 < int(line.split()[1]) < 21_500_000 for line in kept[1:])


def test_the_journal_takes_the_logs_and_bounds_itself(on: On) -> None:
    """A tenth of the disk and 4 GB at most, as the journal itself reports at its start."""
    assert "Application startup complete" in log(on, *EMBED)
    assert on("gpu-embed", "find", folder("embed"), "-name", "*.log*") == ""
    said = on("gpu-embed", "journalctl", "--no-pager", "-o", "cat", "--unit", "systemd-journald")
    bounds = re.findall(r"Journal \((/\S+)\) is [\d.]+[KMG], max ([\d.]+)([KMG])", said)
    place, number, unit = bounds[-1]
    block, blocks = on("gpu-embed", "stat", "-f", "-c", "%S %b", place).split()
    allowed = float(number) * {"K": 2**10, "M": 2**20, "G": 2**30}[unit]
    assert allowed <= min(int(block) * int(blocks) / 10 * 1.01, 4 * 2**30)


def test_hosts_that_are_not_known_yet_say_how_to_accept_them(on: On, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    ours = ("--data", f"ssh_known_hosts_file={file}")
    run = plan(*ours)
    assert run.code == 1
    for address in addresses.HOSTS:
        name = address.ip if address.ssh_port == 22 else f"[{address.ip}]:{address.ssh_port}"
        assert f"{name} is not in {file} yet" in run.output
        assert f"presented: ssh-ed25519 {_fingerprint(on, address.name)}" in run.output
    accept(run.output)
    assert plan(*ours).code == 0


def _fingerprint(on: On, name: str) -> str:
    return on(name, "ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]


@pytest.mark.full
def test_a_wiped_box_is_back_after_one_run_with_the_same_key(on: On) -> None:
    gateway = "grep -o 'Bearer [^$]*' /srv/dify-vllm/services/score-gateway/nginx.conf"
    key, old = on("gpu-score", "sh", "-c", gateway), _fingerprint(on, "gpu-score")
    written, others = writes_at_the_door(on), processes(on)
    lifecycle.wipe("gpu-score")
    new = _fingerprint(on, "gpu-score")
    assert new != old

    refused = apply()
    assert refused.code == 1
    assert refused.changed == {}
    assert refused.report["results"]["failed_hosts"] == ["dify-wsl", "gpu-score"]
    assert "score on gpu-score is not wired" in refused.output
    assert f"expected:  ssh-ed25519 {old}" in refused.output
    assert f"presented: ssh-ed25519 {new}" in refused.output
    assert "dify-vllm" not in on("gpu-score", "ls", "/srv")

    accept(refused.output)
    run = apply()
    assert run.code == 0, run.output[-6000:]
    elsewhere = {step for step, names in run.changed.items() if names != ["gpu-score"]}
    assert elsewhere == {"Tunnels | Keep the way to the score model"}
    assert on("gpu-score", "sh", "-c", gateway) == key
    assert answers(on, *SCORE)
    assert writes_at_the_door(on) == written
    assert apply().changed == {}
    now = processes(on)
    assert all(now[name] == others[name] for name in ("gpu-chat", "gpu-embed"))
