"""Upgrades carried out here, to the end or back by themselves."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from local_host import LocalHost, as_host
from upgrading import AS_BEFORE, BACK, NEW, OLD, UPGRADED, comes_up, run, state_of

from provision.domain.deployment import Deployment
from provision.domain.room import Space
from provision.domain.unfinished import Unfinished
from provision.facts.backup import PathSizes
from provision.facts.hardware import FreeSpace
from provision.operations import backup, restore, upgrade
from provision.operations.unfinished import noted


def test_an_upgrade(here: LocalHost, deployment: Deployment) -> None:
    assert run(here, deployment), "\n".join(here.said)
    assert state_of(here, deployment) == UPGRADED
    env = Path(deployment.dify.folder) / "docker/.env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    text = env.read_text()
    # The owner's values stay, managed ones follow the settings, new secrets are not the published ones.
    assert "SECRET_KEY=owners-canary\nLOG_LEVEL=DEBUG\n" in text
    assert "DIFY_AGENT_API_TOKEN=canary-of-dify-agent-api-token\n" in text
    assert not any("canary" in line for line in here.said)
    [kept] = list((here.folder / "backups").glob("*Z-*"))
    assert kept.name.endswith(f"-{OLD}")
    assert any("the way back to 1.15.0" in line for line in here.said)
    # Dify ran while the images were pulled, and was stopped only then.
    order = [word for call in here.calls for word in ("pull", "stop", "up") if word in call.split()]
    assert order == ["pull", "stop", "up"]


def test_an_upgrade_to_what_runs_is_none(here: LocalHost, deployment: Deployment) -> None:
    assert run(here, deployment, OLD)
    assert state_of(here, deployment) == AS_BEFORE
    assert here.calls == []


def test_a_backup_that_fails_changes_nothing(here: LocalHost, deployment: Deployment) -> None:
    gzip = here.folder / "bin/gzip"
    gzip.write_text("#!/bin/sh\nexit 1\n")
    gzip.chmod(0o755)
    assert not run(here, deployment)
    assert any("Dify runs as before, nothing was changed" in line for line in here.said)
    gzip.unlink()
    assert here.running == [f"dify-api:{OLD}"]
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


def test_a_failing_migration_goes_back_by_itself(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, NEW)
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
    assert (here.folder / "dify.replaced/docker/volumes/db/data/documents").read_text() == "a migrated row\n"
    assert any("migration of 1.16.1 failed. Dify is 1.15.0 again, with" in line for line in here.said)
    assert len(list((here.folder / "backups").glob("*Z-*"))) == 1
    # And what was wrong being put right, it goes through.
    comes_up(monkeypatch)
    assert run(here, deployment)
    assert state_of(here, deployment) == (*UPGRADED[:-1], BACK[-1])


def test_no_way_back_from_a_damaged_backup_discards_nothing(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, NEW)
    good = backup.pack(as_host(here), deployment.dify)
    kept = here.folder / "dify.replaced"
    kept.mkdir()
    taken = upgrade._back_up

    def damaged(*arguments: Any) -> Unfinished:
        begun = taken(*arguments)
        (here.folder / "backups" / begun.backup / "secrets.tar.gz").write_text("x")
        return begun

    monkeypatch.setattr(upgrade, "_back_up", damaged)
    assert not run(here, deployment)
    assert "1.16.1 failed: migration of 1.16.1 failed. Going back to 1.15.0" in here.said
    assert any("secrets.tar.gz is missing, or damaged" in line for line in here.said)
    assert "deploys/restore.py takes its place" in here.said[-1]
    assert kept.exists()
    begun = noted(as_host(here))
    assert begun
    assert begun.phase == "starting"
    assert restore._put_back(None, as_host(here), deployment.dify, good.name)  # type: ignore[arg-type]
    assert restore._finish(None, as_host(here), deployment.dify)  # type: ignore[arg-type]
    assert state_of(here, deployment) == BACK


@pytest.mark.parametrize(("gigabytes", "fits"), [(8, False), (12, True)])
def test_no_upgrade_without_room_for_its_way_back(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, gigabytes: int, fits: bool
) -> None:
    """Of 5 GB, packed and unpacked again; nothing is stopped."""
    monkeypatch.setattr(FreeSpace, "process", lambda *_: Space(gigabytes * 10**9, "/"))

    monkeypatch.setattr(PathSizes, "process", lambda *_: {deployment.dify.folder: 5 * 10**9})
    assert run(here, deployment) is fits
    assert any("5.0 GB for the backup, 5.0 GB for the way back" in line for line in here.said) is not fits
    if not fits:
        assert here.running == [f"dify-api:{OLD}"]
        assert not any("stop" in call for call in here.calls)
        assert noted(as_host(here)) is None


def test_a_backup_that_fails_is_told_when_dify_cannot_be_started_either(
    here: LocalHost, deployment: Deployment
) -> None:
    gzip = here.folder / "bin/gzip"
    gzip.write_text("#!/bin/sh\nexit 1\n")
    gzip.chmod(0o755)
    here.fail("up")
    assert not run(here, deployment)
    assert any(
        "backing up failed, see the lines above. And Dify could not be started again: starting" in line
        for line in here.said
    )
    gzip.unlink()
    here.fail("")
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED
