"""A release that is made ready beside the running one, and takes its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from local_host import LocalHost, as_host
from upgrading import AS_BEFORE, NEW, OLD, UPGRADED, run, state_of

from provision.domain.adoption import OURS
from provision.domain.deployment import Deployment
from provision.operations import release


def test_containers_of_the_release_before_go(here: LocalHost, deployment: Deployment) -> None:
    """A service that is gone would be started again by Docker itself, beside its successor."""
    link = here.folder / "link"
    link.symlink_to(deployment.dify.folder)
    (here.docker / "others").write_text(f"db docker {link}/docker\n")
    assert run(here, deployment)
    assert f"rm --force dify-api:{OLD} db" in here.calls
    assert not any("--remove-orphans" in call for call in here.calls)


def test_edits_of_the_example_do_not_get_into_the_way(here: LocalHost, deployment: Deployment) -> None:
    """As in an installation whose .env.example was edited in place."""
    (Path(deployment.dify.folder) / "docker/.env.example").write_text("LOG_LEVEL=WARNING\n")
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


def test_an_env_stays_whose_it_is(here: LocalHost, deployment: Deployment) -> None:
    env = Path(deployment.dify.folder) / "docker/.env"
    os.chown(env, 4321, 4322)
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED
    found = env.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4321, 4322, 0o600)


ENV_BY_HAND = "EXPOSE_NGINX_PORT=127.0.0.1:8080\nSECRET_KEY=owners-canary\nLOG_LEVEL=DEBUG\n"


@pytest.mark.parametrize("ours", [False, True])
def test_settings_reach_an_installation_that_was_set_up_by_hand_only_when_taken_over(
    here: LocalHost, deployment: Deployment, ours: bool
) -> None:
    docker = Path(deployment.dify.folder) / "docker"
    (docker / ".env").write_text(ENV_BY_HAND)
    if ours:
        (docker / "docker-compose.override.yaml").write_text(f"{OURS}\n")
    assert run(here, deployment)
    published = "EXPOSE_NGINX_PORT=81\n" if ours else "EXPOSE_NGINX_PORT=127.0.0.1:8080\n"
    assert published in (docker / ".env").read_text()
    # What the release brings and everybody knows is made a secret either way.
    assert "DIFY_AGENT_API_TOKEN=known" not in (docker / ".env").read_text()


def test_a_release_is_made_ready_with_the_files_that_the_owner_has_beside_it(
    here: LocalHost, deployment: Deployment
) -> None:
    """An override, and what it names."""
    docker = Path(deployment.dify.folder) / "docker"
    (docker / "docker-compose.override.yml").write_text("services: {api: {env_file: ./mine.env}}\n")
    (docker / "mine.env").write_text("A=1\n")
    release.make_ready(as_host(here), deployment, OLD, NEW)
    ready = Path(release.beside(deployment.dify)) / "docker"
    assert (ready / "mine.env").read_text() == "A=1\n"
    assert (ready / "docker-compose.override.yml").exists()
    assert NEW in (ready / "docker-compose.yaml").read_text()
    assert not (ready / ".env").is_symlink()
    release.clear_away(as_host(here), deployment.dify)
    assert (docker / "mine.env").exists()
    assert (docker / "volumes/db/data/documents").exists()


def test_a_release_that_would_start_without_its_database_is_refused(
    here: LocalHost, deployment: Deployment
) -> None:
    """Profiles that the owner has chosen once and for all, as in langgenius/dify of 1.10.0."""
    docker = Path(deployment.dify.folder) / "docker"
    (docker / ".env").write_text("DB_HOST=db_postgres\nCOMPOSE_PROFILES=weaviate\nVECTOR_STORE=weaviate\n")
    (here.docker / "services").write_text("db_postgres\n")
    (here.docker / "running-services").write_text("api\nweaviate\n")
    assert not run(here, deployment)
    assert any(
        "1.16.1 would start without db_postgres, which DB_HOST in .env says: COMPOSE_PROFILES there is "
        "'weaviate'" in line
        for line in here.said
    )
    assert here.running == [f"dify-api:{OLD}"]


@pytest.mark.parametrize("word", ["pull", "config"])
def test_a_release_that_cannot_be_had_touches_nothing(
    here: LocalHost, deployment: Deployment, word: str
) -> None:
    here.fail(word)
    assert not run(here, deployment)
    assert here.running == [f"dify-api:{OLD}"]
    assert not any("stop" in call for call in here.calls)
    assert any("Nothing of the running Dify was touched" in line for line in here.said)
    here.fail("")
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


def test_a_tag_that_does_not_exist_touches_nothing(here: LocalHost, deployment: Deployment) -> None:
    assert not run(here, deployment, "1.16.9")
    assert any("fetching 1.16.9 failed" in line for line in here.said)
    assert state_of(here, deployment) == AS_BEFORE
