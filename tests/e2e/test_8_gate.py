"""Nothing public by accident, and every endpoint is the model's that its URL is given to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import SECRETS, apply, processes, setting, writes_at_the_door

from lab import addresses

pytestmark = pytest.mark.usefixtures("converged")

GATEWAY = f"http://{addresses.GPU_CHAT.ip}:8080"
EMBED_URL = f"http://{addresses.GPU_EMBED.ip}:8080/v1"
SCORE_URL = f"http://{addresses.GATEWAY}:{addresses.RENTED_PUBLISHED[1]}/v1"
STEP = "Nothing public by accident: "


def at(url: str) -> dict[str, str]:
    """Settings of a model that is reached at a URL, instead of through a tunnel."""
    return {"transport": "direct", "endpoint": url}


@pytest.fixture
def key(on: Callable[..., str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {on('dify-wsl', 'cat', f'{SECRETS}/chat-api-key').strip()}"}


def test_a_flood_without_the_key_is_refused_and_hinders_nobody_who_has_it(key: dict[str, str]) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    with httpx.Client(base_url=GATEWAY, timeout=60) as client:
        answers = [client.get("/v1/models", headers=wrong) for _ in range(60)]
        assert client.get("/v1/models", headers=key).status_code == 200
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 401
    assert statuses.count(429) >= 10
    for answer in answers:
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("pieces", [False, True], ids=["with its length", "in pieces"])
def test_a_request_that_is_too_large(key: dict[str, str], pieces: bool) -> None:
    body = (b" " * 1000_000 for _ in range(9)) if pieces else b" " * 9_000_000
    answer = httpx.post(f"{GATEWAY}/v1/chat/completions", content=body, headers=key, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)


def test_what_who_has_the_key_may_ask_is_a_setting(key: dict[str, str], on: Callable[..., str]) -> None:
    before = processes(on)["gpu-chat"]
    slow = setting(serving={"requests_per_second": 2, "requests_at_once": 4})
    gateways = {"Serving | Put the gateway before it": ["gpu-chat", "gpu-embed", "gpu-score"]}
    assert apply(*slow).changed == gateways

    def ask(_: int) -> httpx.Response:
        return httpx.get(f"{GATEWAY}/v1/models", headers=key, timeout=60)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["type"] == "RateLimitError"
    assert apply().changed == gateways
    with ThreadPoolExecutor(20) as pool:
        assert {answer.status_code for answer in pool.map(ask, range(100))} == {200}
    vllm = [line for line in before.splitlines() if line in processes(on)["gpu-chat"].splitlines()]
    assert len(vllm) == 1  # the model itself was not restarted


def test_no_log_holds_a_key(key: dict[str, str], on: Callable[..., str]) -> None:
    httpx.get(f"{GATEWAY}/v1/models", headers={"Authorization": "Bearer not-this-one"})
    log = on("gpu-chat", "journalctl", "-o", "cat", "-u", "dify-vllm-chat-gateway")
    assert "access forbidden by rule" in log
    assert "Bearer" not in log
    assert "not-this-one" not in log
    assert key["Authorization"].removeprefix("Bearer ") not in log


@pytest.fixture
def strays(on: Callable[..., str]) -> Iterator[None]:
    """Listeners of ours that nobody declared: seen, hidden from root (no systemd there), and by Docker."""
    server = "exec python3 -m http.server --bind 0.0.0.0 9001"
    inside = "cd /srv/dify-vllm/services/{}/state &&"
    on("gpu-embed", "systemd-run", "--quiet", "--unit=stray", "sh", "-c",
       f"{inside.format('embed-vllm')} {server}")  # fmt: skip
    # Root may not look into this one's processes: the box has the usual capabilities only.
    on("gpu-score", "sh", "-c",
       f"{inside.format('score-vllm')} echo 'echo $$ >/tmp/stray.pid; {server}' >/tmp/stray && "
       "setsid runuser -u dify-vllm -- sh /tmp/stray >/dev/null 2>&1 </dev/null &")  # fmt: skip
    image = on("dify-wsl", "docker", "inspect", "--format", "{{.Config.Image}}", "docker-web-1").strip()
    on("dify-wsl", "docker", "run", "--detach", "--name=stray", "--label=com.docker.compose.project=docker",
       "--publish=9001:80", "--entrypoint=sleep", image, "900")  # fmt: skip
    yield
    on("gpu-embed", "systemctl", "stop", "stray")
    on("gpu-score", "sh", "-c", "kill $(cat /tmp/stray.pid); rm -f /tmp/stray /tmp/stray.pid")
    on("dify-wsl", "docker", "rm", "--force", "stray")


@pytest.mark.usefixtures("strays")
def test_what_listens_undeclared_fails_its_host_and_is_named() -> None:
    run = apply()
    assert run.code == 1
    assert run.changed == {}
    assert run.report["results"]["failed_hosts"] == ["dify-wsl", "gpu-embed", "gpu-score"]
    assert f"{STEP}gpu-embed: python3 (process " in run.output
    assert ") in /srv/dify-vllm/services/embed-vllm/state listens on 0.0.0.0:9001; " in run.output
    assert "look at embed.env and embed.extra_args for what put it there" in run.output
    assert f"{STEP}gpu-score: a process of dify-vllm listens on 0.0.0.0:9001; declared is " in run.output
    assert f"{STEP}dify-wsl: container stray listens on 0.0.0.0:9001" in run.output


def test_what_else_is_public_is_told_once() -> None:
    run = apply()
    assert (run.code, run.changed) == (0, {}), run.output[-4000:]
    for host, port in (("gpu-chat", 22), ("gpu-embed", 22), ("gpu-score", 20713), ("dify-wsl", 22)):
        said = [
            line
            for line in run.output.splitlines()
            if f"[{host}]" in line and "public here, and not ours" in line
        ]
        assert len(said) == 1, said
        assert f"sshd on 0.0.0.0:{port}" in said[0]
        for ours in ("nginx", "docker", ":8080", ":18001"):
            assert ours not in said[0]


@pytest.fixture
def blind(on: Callable[..., str]) -> Iterator[None]:
    path = on("gpu-chat", "sh", "-c", "command -v ss").strip()
    on("gpu-chat", "mv", path, f"{path}.away")
    yield
    on("gpu-chat", "mv", f"{path}.away", path)


@pytest.mark.usefixtures("blind")
def test_a_host_that_cannot_tell_does_not_pass() -> None:
    run = apply()
    assert run.code == 1
    assert run.report["results"]["failed_hosts"] == ["dify-wsl", "gpu-chat"]
    assert "Not done: gpu-chat failed, see above" in run.output
    assert f"{STEP}gpu-chat: what listens here cannot be told, since ss is missing or fails" in run.output


@pytest.mark.full
def test_swapped_endpoints_are_found_and_both_are_named(on: Callable[..., str]) -> None:
    before = writes_at_the_door(on)
    run = apply(*setting(embed=at(SCORE_URL), score=at(EMBED_URL)))
    assert run.code == 1
    ways = {
        "Serving | Put the gateway before it": ["gpu-embed", "gpu-score"],
        "Tunnels | Let the key of the embed model's tunnel in, for one port": ["gpu-embed"],
        "Tunnels | Let the key of the score model's tunnel in, for one port": ["gpu-score"],
        "Tunnels | Keep the way to the embed model": ["dify-wsl"],
        "Tunnels | Keep the way to the score model": ["dify-wsl"],
    }
    assert run.changed == ways  # and nothing of Dify's
    last = run.output[run.output.index("Not done: ") :]
    embed = (
        f"embed on gpu-embed is not wired: {SCORE_URL} is bge-reranker-base, the score model of gpu-score; "
        "the endpoints of embed and score are swapped: exchange embed.endpoint and score.endpoint"
    )
    score = (
        f"score on gpu-score is not wired: {EMBED_URL} is bge-base-zh-v1.5, the embed model of gpu-embed; "
        "the endpoints of score and embed are swapped: exchange score.endpoint and embed.endpoint"
    )
    assert embed in last
    assert score in last
    back = apply()
    assert (back.code, back.changed) == (0, ways), back.output[-4000:]
    assert writes_at_the_door(on) == before
    assert apply().changed == {}


@pytest.mark.full
def test_a_model_of_another_kind_under_the_right_name(on: Callable[..., str]) -> None:
    """Name and length are right, and it ranks texts, by its vectors; what else it can do tells."""
    before = writes_at_the_door(on)
    serving = {"Serving | Serve the model with vLLM": ["gpu-score"]}
    run = apply(*setting(score={"model": "BAAI/bge-base-zh-v1.5"}))
    assert run.code == 1
    assert run.changed == {"Models | Download and verify the model": ["gpu-score"], **serving}
    found = (
        "vLLM serves an embedding model (it answers /v1/embeddings), and not a cross-encoder (it answers "
        "/classify); check score.model and score.model_path"
    )
    assert f"Prove score on gpu-score: {found}" in run.output
    assert f"Not done: score on gpu-score is not wired: {found}" in run.output
    assert writes_at_the_door(on) == before
    assert apply().changed == serving
    on("gpu-score", "rm", "-r", "/srv/dify-vllm/models/BAAI--bge-base-zh-v1.5@master")
    last = apply()
    assert (last.code, last.changed) == (0, {}), last.output[-4000:]
