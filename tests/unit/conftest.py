"""What several files need: a host with a running Dify, on this machine; what pyinfra says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import writing_env
from local_host import LocalHost
from upgrading import cloned

from lab.dify import repository
from provision.domain import backup
from provision.domain.deployment import Deployment
from provision.operations import dify_stack, unfinished


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """Its installation, secrets and notes lie in a folder of the test."""
    here = LocalHost(tmp_path)
    docker = tmp_path / "dify/docker"
    (docker / "volumes/db/data").mkdir(parents=True)
    (docker / "volumes/db/data/documents").write_text("a row\n")
    (docker / ".env").write_text("DB_PASSWORD=canary\n")
    (docker / ".env").chmod(0o600)
    (docker / "docker-compose.yaml").write_text("services:\n  api:\n    image: dify-api:1.15.0\n")
    (here.docker / "containers").write_text("dify-api:1.15.0\n")
    (here.docker / "running").write_text("dify-api:1.15.0\n")
    secrets = tmp_path / "etc/secrets"
    secrets.mkdir(parents=True, mode=0o700)
    (secrets / "admin-password").write_text("canary\n")
    ours = {"secrets": str(secrets), "api-key": str(tmp_path / "etc/api-key")}
    monkeypatch.setattr(backup, "OURS", ours)
    monkeypatch.setattr(unfinished, "NOTE", str(tmp_path / "lib/unfinished.json"))
    return here


@pytest.fixture
def deployment(here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return cloned(here, tmp_path, monkeypatch)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What pyinfra's logger says to the one who runs it."""
    caplog.set_level(logging.INFO, logger="pyinfra")
    pyinfra_logger = logging.getLogger("pyinfra")
    before, pyinfra_logger.propagate = pyinfra_logger.propagate, True
    yield caplog
    pyinfra_logger.propagate = before


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("git") / "dify.git"
    repository.build(target)
    return target


@pytest.fixture
def clone(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dify_stack, "secret", writing_env.SECRETS.__getitem__)
    return writing_env.cloned(upstream, "1.16.1", tmp_path / "dify")
