"""A host with a running Dify, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_host import LocalHost

from provision.domain import backup
from provision.operations import unfinished


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
