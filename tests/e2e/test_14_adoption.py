"""A Dify that somebody set up by hand, as in the notes: gone on with where it stands, then taken over.

Of the release that the lab's API speaks like; its predecessors of 2025 only start there.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import httpx
import pytest
from conftest import apply, handed_over, setting
from conversing import ask, conversations

from lab.docker import DockerError
from lab.waiting import until
from provision.domain.adoption import OURS, OVERRIDE

pytestmark = [pytest.mark.usefixtures("converged"), pytest.mark.full]

On = Callable[..., str]
VERSION = "1.16.1"
FOLDER = "/home/gx/dify"
DOCKER = f"{FOLDER}/docker"
EMAIL, PASSWORD = "gx@example.com", "gx-made-1-by-hand"
OWNER = setting(dify={"admin_email": EMAIL})
SECONDS = 300

BY_HAND = f"""\
set -e
mkdir -p {FOLDER}
git clone --quiet --branch {VERSION} https://github.com/langgenius/dify.git {FOLDER}
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


@pytest.fixture(scope="module")
def by_hand(on: On, converged: object) -> dict[str, str]:
    """The files of an installation that an owner has made and set up in the browser."""
    del converged
    on("dify-wsl", "sh", "-c", "cd /opt/dify/docker && docker compose down --volumes --timeout 5 2>&1")
    on("dify-wsl", "rm", "-rf", "/opt/dify", "/etc/dify-vllm-deploy/api-key",
       "/etc/dify-vllm-deploy/handover.md")  # fmt: skip
    on("dify-wsl", "bash", "-c", BY_HAND)
    account = {"email": EMAIL, "name": "gx", "password": PASSWORD, "language": "zh-Hans"}
    until(lambda: _set_up(on, account), "the first administrator", SECONDS, pause=2)
    return files(on)


def _set_up(on: On, account: dict[str, str]) -> bool:
    with contextlib.suppress(DockerError):
        on("dify-wsl", "curl", "-sS", "--fail", "--json", json.dumps(account),
           "http://127.0.0.1:81/console/api/setup")  # fmt: skip
        return True
    return False


def files(on: On) -> dict[str, str]:
    """What is in the files that an owner edits."""
    return {
        name: on("dify-wsl", "cat", f"{DOCKER}/{name}")
        for name in (".env", ".env.example", OVERRIDE, "docker-compose.yaml")
    }


def containers(on: On) -> str:
    """What would differ if one that runs had been restarted or made anew."""
    ids = on("dify-wsl", "docker", "ps", "--quiet", "--no-trunc").split()
    return on("dify-wsl", "docker", "inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", *ids)


@pytest.fixture(scope="module")
def adopted(on: On, by_hand: dict[str, str]) -> dict[str, str]:
    """What the owner of it was handed."""
    before = containers(on)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DIFY_ADMIN_PASSWORD", PASSWORD)
        run = apply(*OWNER)
    assert run.code == 0, run.output[-6000:]
    assert f"Dify was found in {FOLDER} and stays there" in run.output
    assert f"{FOLDER} was set up by hand and runs on as it is" in run.output
    assert "everybody knows DB_PASSWORD of this Dify" in run.output
    assert "hunter2" not in run.output
    assert PASSWORD not in run.output
    assert containers(on) == before
    assert files(on) == by_hand
    assert "dify" not in on("dify-wsl", "ls", "/opt").split()
    return handed_over(on)


def test_it_is_wired_and_answers_where_it_stands(on: On, adopted: dict[str, str]) -> None:
    assert ask(adopted)["answer"].strip()
    assert httpx.get(adopted["Chat link"], timeout=30).status_code == 200
    before = containers(on)
    again = apply(*OWNER)
    assert (again.code, again.changed) == (0, {}), again.output[-6000:]
    assert containers(on) == before


def test_what_was_ended_is_started_and_nothing_else(on: On, adopted: dict[str, str]) -> None:
    on("dify-wsl", "sh", "-c", f"echo LOG_LEVEL=DEBUG >>{DOCKER}/.env")  # not in effect before a restart
    before = containers(on).splitlines()
    on("dify-wsl", "docker", "stop", "docker-sandbox-1")
    run = apply(*OWNER)
    assert run.code == 0, run.output[-6000:]
    assert run.changed == {"Dify | Start Dify": ["dify-wsl"]}
    changed = set(before) ^ set(containers(on).splitlines())
    assert {line.split()[0] for line in changed} == {"/docker-sandbox-1"}
    assert len({line.split()[1] for line in changed}) == 1  # started again, not made anew
    assert ask(adopted)["answer"].strip()


def test_after_compose_down_it_comes_back_where_it_stands(on: On, adopted: dict[str, str]) -> None:
    talk = ask(adopted)["conversation_id"]
    on("dify-wsl", "sh", "-c", f"cd {DOCKER} && docker compose down --timeout 5 2>&1")
    run = apply(*OWNER)
    assert run.code == 0, run.output[-6000:]
    assert run.changed == {"Dify | Start Dify": ["dify-wsl"]}
    assert talk in conversations(adopted)
    assert "dify" not in on("dify-wsl", "ls", "/opt").split()


def test_it_is_taken_over_when_the_owner_says_so(on: On, adopted: dict[str, str]) -> None:
    take_over = setting(dify={"admin_email": EMAIL, "take_over": True})
    talk = ask(adopted)["conversation_id"]
    refused = apply(*take_over)
    assert refused.code == 1
    assert f"{DOCKER}/{OVERRIDE} is somebody's own" in refused.output
    on("dify-wsl", "mv", f"{DOCKER}/{OVERRIDE}", f"{DOCKER}/{OVERRIDE}.mine")
    run = apply(*take_over)
    assert run.code == 0, run.output[-6000:]
    assert {"Dify | Write Dify's .env and override", "Dify | Start Dify"} <= run.changed.keys()
    found = files(on)
    assert found[OVERRIDE].startswith(OURS)
    assert "\nMINE=hunter2\n" in found[".env"]
    assert "\nDB_PASSWORD=difyai123456\n" in found[".env"]
    assert talk in conversations(adopted)
    assert handed_over(on) == adopted
    again = apply(*OWNER)
    assert (again.code, again.changed) == (0, {}), again.output[-6000:]
    assert "set up by hand" not in again.output
