"""Backed up, destroyed, put back: the same link, key and answer, and nothing left to do."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from conftest import SECRETS, accept, apply, plan, run, setting, writes_at_the_door
from conversing import ask, conversations

from lab import lifecycle

pytestmark = [pytest.mark.usefixtures("converged"), pytest.mark.full]

On = Callable[..., str]
BACKUPS = "/var/backups/dify-vllm-deploy"
NOTE = "/var/lib/dify-vllm-deploy/unfinished.json"


def backups(on: On) -> list[str]:
    return sorted(on("dify-wsl", "ls", BACKUPS).split())


def destroy(on: On) -> None:
    """Everything of Dify's, its images included, and our secrets."""
    on("dify-wsl", "sh", "-c", "cd /opt/dify/docker && docker compose down --volumes --timeout 5 2>&1")
    on("dify-wsl", "rm", "-rf", "/opt/dify", SECRETS, "/etc/dify-vllm-deploy/api-key",
       "/etc/dify-vllm-deploy/handover.md")  # fmt: skip
    on("dify-wsl", "docker", "system", "prune", "--all", "--force")


@pytest.fixture(scope="module")
def populated(handover: dict[str, str]) -> str:
    """A conversation that somebody had."""
    return ask(handover)["conversation_id"]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copies")


@pytest.fixture(scope="module")
def backed_up(on: On, populated: str, handover: dict[str, str], copies: Path) -> str:
    """The name of a backup, which a copy was fetched of."""
    assert populated in conversations(handover)
    done = run("backup", *setting(dify={"backup": {"fetch_to": str(copies)}}))
    assert done.code == 0, done.output[-4000:]
    assert done.changed == {
        "Backup | Stop Dify, pack it, start it": ["dify-wsl"],
        "Backup | Fetch the backup": ["dify-wsl"],
    }
    assert re.search(r"Dify was stopped for \d+ s", done.output)
    return backups(on)[-1]


def test_a_backup_changes_nothing_and_is_private(on: On, backed_up: str, copies: Path) -> None:
    run_again = apply()
    assert (run_again.code, run_again.changed) == (0, {}), run_again.output[-4000:]
    shown = on("dify-wsl", "find", BACKUPS, "-printf", "%m %u %P\n").splitlines()
    files = [line for line in shown if f"{backed_up}/" in line]
    assert {line.split()[0] for line in files} == {"600"}
    assert f"700 root {backed_up}" in shown
    copy = copies / "dify-wsl" / backed_up
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["version"] == "1.16.1"
    for part in manifest["parts"]:
        packed = f"{BACKUPS}/{backed_up}/{part['name']}.tar.gz"
        assert on("dify-wsl", "sha256sum", packed).split()[0] == part["sha256"]
    password = on("dify-wsl", "cat", f"{SECRETS}/admin-password").strip()
    assert password not in (copy / "manifest.json").read_text()


def test_a_backup_that_is_not_there_is_told(on: On, backed_up: str) -> None:
    done = run("restore", "--data", "backup=20200101T000000Z-1.3.1")
    assert done.code == 1
    assert re.search(rf"has no backup 20200101T000000Z-1\.3\.1; it has .*{backed_up}", done.output)
    done = run("restore")
    assert done.code == 1
    assert "Say --data backup=NAME" in done.output
    assert backups(on)[-1] == backed_up


def test_destroyed_and_put_back(on: On, backed_up: str, populated: str, handover: dict[str, str]) -> None:
    ask(handover)  # what comes after a backup is lost with it
    destroy(on)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{handover['API base']}/", timeout=5).raise_for_status()
    done = run("restore", "--data", f"backup={backed_up}")
    assert done.code == 0, done.output[-6000:]
    _is_as_before(on, handover, populated)


def test_a_host_that_was_wiped_gets_it_back_from_the_copy(
    on: On, backed_up: str, populated: str, handover: dict[str, str], copies: Path
) -> None:
    """A fresh machine: no Docker, another host key, nothing of ours."""
    lifecycle.wipe("dify-wsl")
    accept(plan().output)
    done = run("restore", "--data", f"backup={copies / 'dify-wsl' / backed_up}")
    assert done.code == 0, done.output[-6000:]
    assert backups(on) == [backed_up]
    _is_as_before(on, handover, populated)


def _is_as_before(on: On, handover: dict[str, str], populated: str) -> None:
    """The same link, key, conversation and answer; and deploy.py has nothing to do."""
    again = apply()
    assert (again.code, again.changed) == (0, {}), again.output[-6000:]
    assert writes_at_the_door(on) == []
    text = on("dify-wsl", "cat", "/etc/dify-vllm-deploy/handover.md")
    assert all(value in text for value in handover.values())
    assert httpx.get(handover["Chat link"], timeout=30).status_code == 200
    assert conversations(handover) == [populated]
    assert ask(handover, populated)["conversation_id"] == populated
    assert "unfinished" not in on("dify-wsl", "ls", str(Path(NOTE).parent))
