"""Upgrades that are refused before anything is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from local_host import LocalHost, as_host
from upgrading import NEW, OLD, git

from provision.domain.deployment import Deployment
from provision.domain.unfinished import Unfinished
from provision.operations import unfinished, upgrade
from provision.operations.upgrade import Wanted


@pytest.fixture
def asked(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """The host as an operation's body sees it."""
    for module in (upgrade, unfinished):
        monkeypatch.setattr(module, "host", here)
    return here


def refusal(operation: Callable[..., object], **arguments: object) -> str:
    """What an operation's first command would print before it fails; empty when it has none."""
    inner = operation._inner(**arguments)  # type: ignore[attr-defined]
    return next((command.get_raw_value() for command in inner), "")


def test_what_is_refused(asked: LocalHost, deployment: Deployment) -> None:
    def told(version: str, *acknowledged: str) -> str:
        return refusal(upgrade.allowed, wanted=Wanted(deployment, version, acknowledged))

    assert told(NEW) == ""
    assert told(OLD) == ""
    assert "refused, nothing was touched:\n  weaviate-1.39 (1.17.1): the bundled" in told("1.17.1")
    assert told("1.17.1", "weaviate-1.39") == ""
    assert "restore a backup of the older release" in told("1.14.2")
    compose = Path(deployment.dify.folder) / "docker/docker-compose.yaml"
    compose.write_text(compose.read_text() + "# mine\n")
    assert "local-edits: the new release" in told(NEW)
    assert told(NEW, "local-edits") == ""
    asked.defines(services={"api": {"environment": {"DB_HOST": "pg.corp"}}})
    assert "external-data: the backup does not hold the database on pg.corp;" in told(NEW, "local-edits")
    assert told(NEW, "local-edits", "external-data") == ""
    asked.fail("config")
    assert "what Dify has mounted cannot be known" in told(NEW, "local-edits")


def test_what_is_unfinished_goes_first(
    asked: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "state", SimpleNamespace(is_executing=True))

    def told(version: str) -> str:
        return refusal(upgrade.allowed, wanted=Wanted(deployment, version))

    unfinished.note(as_host(asked), Unfinished("upgrade", "starting", OLD, NEW, "b"))
    assert told(NEW) == ""
    assert "an upgrade to 1.16.1 is not finished (starting)" in told("1.17.0")
    assert "--data dify_version=1.16.1" in told("1.17.0")
    assert "it finishes or goes back" in refusal(unfinished.nothing_unfinished)
    unfinished.note(as_host(asked), Unfinished("restore", "putting back", "", OLD, "b"))
    assert "run deploys/restore.py again with --data backup=b" in told(NEW)
    Path(unfinished.NOTE).write_text("{")
    assert "cannot be read" in told(NEW)
    # That is for this host alone: no operation after it raises anything, which would end the run for all.
    wanted = Wanted(deployment, NEW)
    assert refusal(upgrade.answering, wanted=wanted) == ""
    assert refusal(upgrade.made_ready, wanted=wanted) == ""
    assert refusal(upgrade.changed, wanted=wanted) == ""
    assert "cannot be read" in refusal(unfinished.nothing_unfinished)
    unfinished.forget(as_host(asked))
    assert refusal(unfinished.nothing_unfinished) == ""


@pytest.mark.usefixtures("asked")
def test_a_blank_env_is_none(deployment: Deployment) -> None:
    (Path(deployment.dify.folder) / "docker/.env").write_text("\n")
    told = refusal(upgrade.allowed, wanted=Wanted(deployment, NEW))
    assert f"there is no {deployment.dify.folder}/docker/.env, or nothing in it" in told


@pytest.mark.usefixtures("asked")
def test_an_env_that_is_no_utf_8_is_told(deployment: Deployment) -> None:
    env = Path(deployment.dify.folder) / "docker/.env"
    env.write_bytes("A=1\n# 我的\n".encode("gbk"))
    told = refusal(upgrade.allowed, wanted=Wanted(deployment, NEW))
    assert f"here: {env}, line 2, is no UTF-8" in told


@pytest.mark.usefixtures("asked")
def test_where_there_is_nothing_to_upgrade(deployment: Deployment) -> None:
    git(Path(deployment.dify.folder), "commit", "--quiet", "--allow-empty", "--message", "mine")
    wanted = Wanted(deployment, NEW)
    assert "is on no tag" in refusal(upgrade.allowed, wanted=wanted)
    nowhere = deployment.dify.model_copy(update={"folder": "/no/such/folder"})
    assert "there is no installation in /no/such/folder" in refusal(
        upgrade.allowed, wanted=replace(wanted, deployment=replace(deployment, dify=nowhere))
    )
