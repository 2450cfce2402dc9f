"""An owner who sets Dify up by hand, as the notes do it: files, first start, account, plugin, models.

What the browser sends is sent by the project's client, which knows how each release wants it; what is sent is
written out here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from lab import addresses
from lab.dify.standin.settings import OFFERED
from lab.docker import DockerError
from lab.waiting import until
from provision.dify import Dify
from provision.dify.resources.base import PROVIDER
from provision.domain.adoption import OVERRIDE
from provision.domain.wiring.versions import Version

On = Callable[..., str]
FOLDER = "/home/gx/dify"
DOCKER = f"{FOLDER}/docker"
EMAIL, PASSWORD = "gx@example.com", "gx-made-1-by-hand"
CONSOLE = f"http://{addresses.WINDOWS.ip}:81"
SECONDS = 300
PLUGIN = "workspaces/current/plugin"
MODELS = f"workspaces/current/model-providers/{PROVIDER}/models"
NAMED = Version(1, 8, 0)  # since then credentials have names, and a model may have several

START = f"""\
set -e
mkdir -p {FOLDER}
git clone --quiet --branch VERSION https://github.com/langgenius/dify.git {FOLDER}
cd {DOCKER}
sed -i 's/^EXPOSE_NGINX_PORT=80$/EXPOSE_NGINX_PORT=81/' .env.example
cp .env.example .env
echo MINE=hunter2 >>.env
cat >{OVERRIDE} <<'END'
services:
  api: {{extra_hosts: ["host.docker.internal:host-gateway"]}}
  worker: {{extra_hosts: ["host.docker.internal:host-gateway"]}}
  plugin_daemon: {{extra_hosts: ["host.docker.internal:host-gateway"]}}
END
docker compose --progress quiet up --detach 2>&1
"""


def removed(on: On) -> None:
    """Leave the Dify host without any Dify, an owner's or ours, and without what we had noted of it."""
    for folder in ("/opt/dify", FOLDER):
        down = "docker compose down --volumes --timeout 5 2>&1"
        on("dify-wsl", "sh", "-c", f"[ ! -d {folder}/docker ] || (cd {folder}/docker && {down})")
    on("dify-wsl", "rm", "-rf", "/opt/dify", FOLDER, "/var/lib/dify-vllm-deploy/dify-folder",
       "/etc/dify-vllm-deploy/api-key", "/etc/dify-vllm-deploy/handover.md")  # fmt: skip


def started(on: On, version: str) -> None:
    """The release, started and with its first administrator."""
    on("dify-wsl", "bash", "-c", START.replace("VERSION", version))
    account = {"email": EMAIL, "name": "gx", "password": PASSWORD, "language": "zh-Hans"}

    def set_up() -> bool:
        with contextlib.suppress(DockerError):
            on("dify-wsl", "curl", "-sS", "--fail", "--json", json.dumps(account),
               "http://127.0.0.1:81/console/api/setup")  # fmt: skip
            return True
        return False

    until(set_up, "the first administrator", SECONDS, pause=2)


@contextmanager
def console() -> Iterator[Dify]:
    """Signed in as the owner."""
    with httpx.Client(base_url=CONSOLE, trust_env=False, timeout=60) as http:
        dify = Dify(http)
        dify.sign_in(EMAIL, PASSWORD)
        yield dify


def wire(dify: Dify, key: str) -> None:
    """The plugin, and two chat models: ours, and one that the inventory does not know."""
    install = {"plugin_unique_identifiers": [OFFERED]}
    task = dify.console.send("By hand", "POST", f"{PLUGIN}/install/marketplace", body=install).get(
        "task_id", str
    )

    def installed() -> bool:
        told = dify.console.send("By hand", "GET", f"{PLUGIN}/tasks/{task}").get("task", dict)
        return told["status"] == "success"

    until(installed, "the plugin to be installed", SECONDS)
    path = f"{MODELS}/credentials" if dify.version >= NAMED else MODELS
    fields = {
        "endpoint_url": f"http://{addresses.GPU_CHAT.ip}:8080/v1",
        "api_key": key,
        "mode": "chat",
        "context_size": "4096",
        "max_tokens_to_sample": "4096",
        "function_calling_type": "no_call",
        "stream_function_calling": "not_supported",
        "vision_support": "no_support",
        "stream_mode_delimiter": "\\n\\n",
    }
    for model in ("qwen3-0.6b", "mine"):
        named = {**fields, "endpoint_model_name": "qwen3-0.6b"}
        body = {"model": model, "model_type": "llm", "credentials": named, "name": "by hand"}
        dify.console.send("By hand", "POST", path, body=body)


def chat_models(dify: Dify) -> dict[str, int]:
    """The provider's chat models, with how many credentials each has (before 1.8 it is always one)."""
    listed = dify.console.send("Look", "GET", MODELS).get("data", list)
    names = [item["model"] for item in listed if item["model_type"] == "llm"]
    found = {}
    for name in names:
        asked = {"model": name, "model_type": "llm"}
        told = dify.console.send("Look", "GET", f"{MODELS}/credentials", query=asked)
        found[name] = len(told.get("available_credentials", list)) if dify.version >= NAMED else 1
    return found
