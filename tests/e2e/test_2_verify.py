"""What stands after a run, seen by other eyes than the deploy's: testinfra, HTTP from outside."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPConnection

import httpx
import pytest
import testinfra
from testinfra.host import Host

from lab import addresses, paths, waiting

WINDOWS = f"http://{addresses.WINDOWS.ip}:81"
# Where each is reached from Dify's host: on the LAN, and at the near end of a tunnel.
BRIDGE = "172.17.0.1"
MODELS = {
    "chat": (addresses.GPU_CHAT.ip, 8080, "qwen3-0.6b", 1024),
    "embed": (BRIDGE, 18001, "bge-base-zh-v1.5", 512),
    "score": (BRIDGE, 18002, "bge-reranker-base", 512),
}

# What vLLM answers whether a key comes with the request or not; the last is a place inside the gateway.
CLOSED = ("/score", "/rerank", "/v2/rerank", "/classify", "/pooling", "/tokenize", "/detokenize",
          "/invocations", "/metrics", "/docs", "/redoc", "/openapi.json", "/version", "/ping", "/load",
          "/unauthorized")  # fmt: skip

pytestmark = pytest.mark.usefixtures("converged")


@pytest.fixture(scope="session")
def ssh_config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """For the system's own ssh: the lab's key and pinned host keys."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    config.write_text(
        "Host *\n"
        f"IdentityFile {paths.SSH_KEY}\n"
        f"UserKnownHostsFile {paths.KNOWN_HOSTS}\n"
        "StrictHostKeyChecking yes\n"
    )
    return str(config)


@pytest.fixture(scope="session")
def host(ssh_config: str) -> Callable[[str], Host]:
    """A test host through testinfra."""

    def connect(name: str) -> Host:
        address = next(each for each in addresses.HOSTS if each.name == name)
        return testinfra.get_host(f"ssh://root@{address.ip}:{address.ssh_port}", ssh_config=ssh_config)

    return connect


@pytest.fixture(scope="session")
def from_difys_host(ssh_config: str) -> Iterator[dict[str, str]]:
    """Each model's URL, whose requests leave from Dify's host."""
    dify, ports = addresses.DIFY_WSL, {role: 18100 + number for number, role in enumerate(MODELS)}
    forwards = [("-L", f"127.0.0.1:{ports[role]}:{ip}:{port}") for role, (ip, port, _, _) in MODELS.items()]
    command = ["ssh", "-F", ssh_config, "-N", *(word for forward in forwards for word in forward)]
    command += ["-o", "ExitOnForwardFailure=yes", "-p", str(dify.ssh_port), f"root@{dify.ip}"]
    with subprocess.Popen(command) as ssh:
        for port in ports.values():
            waiting.until(partial(waiting.accepts, "127.0.0.1", port), f"ssh to forward port {port}", 10)
        yield {role: f"http://127.0.0.1:{port}" for role, port in ports.items()}
        ssh.terminate()


@pytest.fixture(params=MODELS)
def served(
    request: pytest.FixtureRequest, from_difys_host: dict[str, str], on: Callable[..., str]
) -> Iterator[tuple[str, httpx.Client, str, int]]:
    _, _, name, length = MODELS[request.param]
    url = from_difys_host[request.param]
    key = on("dify-wsl", "cat", f"/etc/dify-vllm-deploy/secrets/{request.param}-api-key").strip()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield request.param, client, name, length


def test_each_model_answers_under_its_name_with_its_length(
    served: tuple[str, httpx.Client, str, int],
) -> None:
    _, client, name, length = served
    models = client.get("/v1/models").json()["data"]
    assert [(model["id"], model["max_model_len"]) for model in models] == [(name, length)]


def test_each_model_does_its_job(served: tuple[str, httpx.Client, str, int]) -> None:
    role, client, name, _ = served
    if role == "chat":
        body = {"model": name, "max_tokens": 4, "messages": [{"role": "user", "content": "你好"}]}
        assert client.post("/v1/chat/completions", json=body).json()["usage"]["completion_tokens"] >= 1
    elif role == "embed":
        answer = client.post("/v1/embeddings", json={"model": name, "input": ["你好"]}).json()
        assert len(answer["data"][0]["embedding"]) == 64
    else:
        body = {"model": name, "query": "首都", "documents": ["北京", "苹果", "天气"]}
        assert {each["index"] for each in client.post("/v1/rerank", json=body).json()["results"]} == {0, 1, 2}


def test_the_gateway_lets_nothing_else_through(served: tuple[str, httpx.Client, str, int]) -> None:
    _, client, _, _ = served
    assert client.get("/health").status_code == 200
    key = client.headers["Authorization"]
    for path in CLOSED:
        for header in (key, ""):
            headers = {"Authorization": header}
            assert client.get(path, headers=headers).status_code == 404, path
            assert client.post(path, json={}, headers=headers).status_code == 404, path
    for dotted in ("/metrics/../health", "/metrics/../v1/models", "/v1/../metrics", "/v1/%2e%2e/metrics"):
        for header in (key, ""):
            assert b"vllm:" not in _raw(client.base_url, dotted, header), dotted
    for wrong in ("", "Bearer", "Bearer wrong", key.lower(), key + "x", key.removeprefix("Bearer ")):
        assert client.get("/v1/models", headers={"Authorization": wrong}).status_code == 401, wrong[:8]


@pytest.mark.parametrize(
    ("address", "vllm_port"),
    [(addresses.GPU_CHAT, 8000), (addresses.GPU_EMBED, 8001), (addresses.GPU_SCORE, 8002)],
    ids=["chat", "embed", "score"],
)
def test_vllm_listens_on_loopback_only(
    host: Callable[[str], Host], address: addresses.Address, vllm_port: int
) -> None:
    machine = host(address.name)
    assert machine.socket(f"tcp://127.0.0.1:{vllm_port}").is_listening
    listeners = [line.split()[3] for line in machine.check_output("ss -ltnH").splitlines()]
    # Its processes have sockets of their own, for each other; and Debian's default site would be on port 80.
    open_to_all = {each for each in listeners if not each.startswith("127.")}
    gateway = {"0.0.0.0:8080"} if address is addresses.GPU_CHAT else set()  # the others' are behind tunnels
    assert open_to_all == {f"0.0.0.0:{address.ssh_port}", f"[::]:{address.ssh_port}", *gateway}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.ip, vllm_port), timeout=10)


@pytest.mark.parametrize(("name", "role"), [("gpu-chat", "chat"), ("gpu-embed", "embed")])
def test_systemd_keeps_the_services(host: Callable[[str], Host], name: str, role: str) -> None:
    machine = host(name)
    for part in ("vllm", "gateway"):
        service = machine.service(f"dify-vllm-{role}-{part}")
        assert service.is_running
        assert service.is_enabled
        properties = service.systemd_properties
        assert (properties["Restart"], properties["KillMode"], properties["TimeoutStopUSec"]) == (
            "always",
            "control-group",
            "20s",
        )
        assert properties["User"] == "dify-vllm"


def test_supervisord_keeps_them_where_there_is_no_systemd(host: Callable[[str], Host]) -> None:
    machine = host("gpu-score")
    assert machine.file("/proc/1/comm").content_string.strip() != "systemd"
    status = machine.check_output("supervisorctl -c /etc/dify-vllm-deploy/supervisor/supervisord.conf status")
    assert [line.split()[:2] for line in status.splitlines()] == [
        ["dify-vllm-score-gateway", "RUNNING"],
        ["dify-vllm-score-vllm", "RUNNING"],
    ]
    assert {process.user for process in machine.process.filter(comm="vllm")} == {"dify-vllm"}


def test_the_notes_command_line_is_what_runs(host: Callable[[str], Host]) -> None:
    arguments = [process.args for process in host("gpu-chat").process.filter(user="dify-vllm")]
    assert any(
        "serve" in line and "--served-model-name qwen3-0.6b --max-model-len 1024" in line
        for line in arguments
    )


def test_models_are_whole(on: Callable[..., str]) -> None:
    for name, folder in (
        ("gpu-chat", "Qwen--Qwen3-0.6B@master"),
        ("gpu-score", "BAAI--bge-reranker-base@master"),
    ):
        path = f"/srv/dify-vllm/models/{folder}"
        manifest = json.loads(on(name, "cat", f"{path}/.manifest.json"))
        assert len(manifest["files"]) >= 3
        for file in manifest["files"]:
            assert on(name, "sha256sum", f"{path}/{file['path']}").split()[0] == file["sha256"]


def test_dify_runs_at_its_pinned_version_on_port_81(
    host: Callable[[str], Host], on: Callable[..., str]
) -> None:
    machine = host("dify-wsl")
    assert machine.socket("tcp://0.0.0.0:81").is_listening
    assert not machine.socket("tcp://0.0.0.0:5003").is_listening
    assert on("dify-wsl", "git", "-C", "/opt/dify", "describe", "--tags").strip() == "1.16.1"
    environment = machine.file("/opt/dify/docker/.env").content_string
    assert "\nEXPOSE_NGINX_PORT=81\n" in environment
    assert "difyai123456" not in environment
    states = on("dify-wsl", "docker", "ps", "-a", "--format", "{{.Names}} {{.Status}}").splitlines()
    assert len(states) >= 10
    assert not [state for state in states if " Up " not in state and "init_permissions" not in state]


def test_the_lan_reaches_dify_through_windows_only_by_the_rule() -> None:
    answer = httpx.get(f"{WINDOWS}/console/api/setup")
    assert answer.json()["step"] == "finished"
    assert answer.headers["X-Version"] == "1.16.1"


def test_the_bot_answers_through_its_api(handover: dict[str, str]) -> None:
    assert handover["API base"] == f"{WINDOWS}/v1"
    body = {"inputs": {}, "query": "中国的首都是哪里？", "user": "test", "response_mode": "blocking"}
    headers = {"Authorization": f"Bearer {handover['API key']}"}
    answer = httpx.post(f"{handover['API base']}/chat-messages", json=body, headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.json()["answer"].strip()
    assert answer.json()["metadata"]["usage"]["completion_tokens"] >= 1
    assert httpx.post(f"{handover['API base']}/chat-messages", json=body).status_code == 401


def test_the_chat_link_lets_visitors_in(handover: dict[str, str]) -> None:
    code = handover["Chat link"].removeprefix(f"{WINDOWS}/chat/")
    assert httpx.get(handover["Chat link"]).status_code == 200
    assert "access_token" in httpx.get(f"{WINDOWS}/api/passport", headers={"X-App-Code": code}).json()
    assert httpx.get(f"{WINDOWS}/api/passport", headers={"X-App-Code": "nobody"}).status_code == 404


def _raw(url: httpx.URL, path: str, key: str) -> bytes:
    """Ask for a path as it stands; httpx would take the dots out of it."""
    connection = HTTPConnection(url.host, url.port or 80, timeout=20)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.putheader("Authorization", key)
    connection.endheaders()
    return connection.getresponse().read()
