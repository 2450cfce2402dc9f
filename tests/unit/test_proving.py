"""A release that was just started: what it does not migrate by itself is migrated."""

from __future__ import annotations

import stat
from types import SimpleNamespace

import pytest
from local_host import LocalHost, as_host, settings

from provision.domain.deployment import Deployment
from provision.domain.wiring.versions import Version
from provision.operations import proving
from provision.operations.steps import StepError


@pytest.fixture
def deployment(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    (here.folder / "backups").mkdir()
    monkeypatch.setattr(proving, "meet_again", lambda: None)
    monkeypatch.setattr(proving, "wait_until_ready", lambda *_, **__: None)
    return Deployment({}, "here", settings(here), "http://dify:81")


def answers_as(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(proving, "client", lambda _: SimpleNamespace(version=Version.parse(version)))


def test_models_of_older_releases_are_brought_in_order(
    here: LocalHost, deployment: Deployment, said: pytest.LogCaptureFixture
) -> None:
    proving.migrated(as_host(here), deployment, "1.16.1")
    assert "compose exec -T api flask data-migrate legacy-model-types --apply" in here.calls
    log = here.folder / "backups/migration.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    here.fail("exec")
    proving.migrated(as_host(here), deployment, "1.16.1")
    assert "Run `docker compose exec api flask data-migrate legacy-model-types --apply`" in said.text
    assert "no compose today" in log.read_text()  # what it says on stderr, too


@pytest.mark.parametrize("version", ["1.13.3", "1.17.1"])
def test_nothing_is_migrated_where_there_is_no_need(
    here: LocalHost, deployment: Deployment, version: str
) -> None:
    proving.migrated(as_host(here), deployment, version)
    assert not any("exec" in call for call in here.calls)


def test_another_release_that_answers_is_told(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_as(monkeypatch, "1.15.0")
    with pytest.raises(StepError, match=r"1\.15\.0 answers, not 1\.16\.1"):
        proving.proven(as_host(here), deployment, "1.16.1")
