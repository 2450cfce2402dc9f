"""A Dify that somebody set up by hand, as in the notes: gone on with where it stands, then taken over.

Of the notes' own release, and of the one that is deployed here.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import owner
import pytest
from conftest import apply, handed_over, run, setting
from conversing import ask, conversations
from owner import DOCKER, EMAIL, FOLDER, PASSWORD

from provision.domain.adoption import OURS, OVERRIDE

pytestmark = [pytest.mark.usefixtures("converged"), pytest.mark.full]

On = Callable[..., str]
OURS_IS = "1.16.1"
# What lies between, in the order of releases.
CROSSED = {
    "1.3.1": ["weaviate-1.27", "console-cookies", "database-service", "env-split", "ssrf-private"],
    OURS_IS: [],
}
OWNER = setting(dify={"admin_email": EMAIL})


@pytest.fixture(scope="module", params=["1.3.1", OURS_IS])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def by_hand(on: On, converged: object, version: str) -> dict[str, str]:
    """The files of an installation that an owner has made, set up in the browser and wired."""
    del converged
    owner.removed(on)
    owner.started(on, version)
    key = on("dify-wsl", "cat", "/etc/dify-vllm-deploy/secrets/chat-api-key").strip()
    with owner.console() as dify:
        owner.wire(dify, key)
        assert owner.chat_models(dify) == {"qwen3-0.6b": 1, "mine": 1}
    return files(on)


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
def adopted(on: On, by_hand: dict[str, str], version: str) -> dict[str, str]:
    """What the owner of it was handed."""
    before = containers(on)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DIFY_ADMIN_PASSWORD", PASSWORD)
        done = apply(*OWNER)
    assert done.code == 0, done.output[-6000:]
    if version != OURS_IS:
        assert f"{FOLDER} is at {version}, dify.version is {OURS_IS}" in done.output
    assert f"Dify was found in {FOLDER} and stays there" in done.output
    assert f"{FOLDER} was set up by hand and runs on as it is" in done.output
    assert "everybody knows DB_PASSWORD of this Dify" in done.output
    assert "hunter2" not in done.output
    assert PASSWORD not in done.output
    assert containers(on) == before
    assert files(on) == by_hand
    assert "dify" not in on("dify-wsl", "ls", "/opt").split()
    return handed_over(on)


def test_it_is_wired_and_answers_where_it_stands(on: On, adopted: dict[str, str]) -> None:
    with owner.console() as dify:
        assert owner.chat_models(dify) == {"qwen3-0.6b": 1, "mine": 1}
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
    done = apply(*OWNER)
    assert done.code == 0, done.output[-6000:]
    assert done.changed == {"Dify | Start Dify": ["dify-wsl"]}
    changed = set(before) ^ set(containers(on).splitlines())
    assert {line.split()[0] for line in changed} == {"/docker-sandbox-1"}
    assert len({line.split()[1] for line in changed}) == 1  # started again, not made anew
    assert ask(adopted)["answer"].strip()


def test_after_compose_down_it_comes_back_where_it_stands(on: On, adopted: dict[str, str]) -> None:
    talk = ask(adopted)["conversation_id"]
    on("dify-wsl", "sh", "-c", f"cd {DOCKER} && docker compose down --timeout 5 2>&1")
    done = apply(*OWNER)
    assert done.code == 0, done.output[-6000:]
    assert done.changed == {"Dify | Start Dify": ["dify-wsl"]}
    assert talk in conversations(adopted)
    assert "dify" not in on("dify-wsl", "ls", "/opt").split()


def test_it_is_taken_over_when_the_owner_says_so(on: On, adopted: dict[str, str]) -> None:
    take_over = setting(dify={"admin_email": EMAIL, "take_over": True})
    talk = ask(adopted)["conversation_id"]
    refused = apply(*take_over)
    assert refused.code == 1
    assert f"{DOCKER}/{OVERRIDE} is somebody's own" in refused.output
    on("dify-wsl", "mv", f"{DOCKER}/{OVERRIDE}", f"{DOCKER}/{OVERRIDE}.mine")
    done = apply(*take_over)
    assert done.code == 0, done.output[-6000:]
    assert {"Dify | Write Dify's .env and override", "Dify | Start Dify"} <= done.changed.keys()
    found = files(on)
    assert found[OVERRIDE].startswith(OURS)
    assert "\nMINE=hunter2\n" in found[".env"]
    assert "\nDB_PASSWORD=difyai123456\n" in found[".env"]
    assert talk in conversations(adopted)
    assert handed_over(on) == adopted
    again = apply(*OWNER)
    assert (again.code, again.changed) == (0, {}), again.output[-6000:]
    assert "set up by hand" not in again.output


def test_it_is_brought_to_the_pinned_release_when_the_owner_has_thought_of_what_lies_between(
    on: On, adopted: dict[str, str], version: str
) -> None:
    talk = ask(adopted)["conversation_id"]
    upgrade = ["--data", f"dify_version={OURS_IS}", *OWNER]
    if CROSSED[version]:
        refused = run("upgrade", *upgrade)
        assert refused.code == 1
        places = [refused.output.find(f"{name} (") for name in CROSSED[version]]
        assert -1 not in places, refused.output[-6000:]
        assert places == sorted(places)
        upgrade += ["--data", f"acknowledge={','.join(CROSSED[version])}"]
    done = run("upgrade", *upgrade)
    assert done.code == 0, done.output[-6000:]
    assert bool(done.changed) == bool(CROSSED[version])
    assert f"langgenius/dify-api:{OURS_IS}\n" in on("dify-wsl", "docker", "ps", "--format", "{{.Image}}")
    assert "\nMINE=hunter2\n" in files(on)[".env"]
    assert talk in conversations(adopted)
    assert ask(adopted, talk)["conversation_id"] == talk
    again = apply(*OWNER)
    assert again.code == 0, again.output[-6000:]
    last = apply(*OWNER)
    assert (last.code, last.changed) == (0, {}), last.output[-6000:]
    assert handed_over(on) == adopted
