"""Dify from one release to the next: with its data, refused, back by itself, and killed on the way.

Dify 1.15.0 is made anew beside models that go on serving; at the end the pinned release runs.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from conftest import LAB, apply, handed_over, processes, run, setting
from conversing import ask, conversations

pytestmark = [pytest.mark.usefixtures("converged"), pytest.mark.full]

On = Callable[..., str]
OLD, NEW, BEYOND = "1.15.0", "1.16.1", "1.17.1"
BACKUPS = "/var/backups/dify-vllm-deploy"
NOTE = "/var/lib/dify-vllm-deploy/unfinished.json"
SECONDS = 600
FAILING = setting(dify={"env": {"STANDIN_FAILING_MIGRATIONS": NEW}})
SLOW = setting(dify={"env": {"STANDIN_MIGRATION_SECONDS": "20"}})


def to(version: str) -> list[str]:
    return ["--data", f"dify_version={version}"]


@pytest.fixture(scope="module")
def old(on: On, converged: object) -> dict[str, str]:
    """What the owner of a Dify 1.15.0 was handed."""
    del converged
    on("dify-wsl", "sh", "-c", "cd /opt/dify/docker && docker compose down --volumes --timeout 5 2>&1")
    on("dify-wsl", "rm", "-rf", "/opt/dify", "/etc/dify-vllm-deploy/api-key",
       "/etc/dify-vllm-deploy/handover.md")  # fmt: skip
    made = apply(*setting(dify={"version": OLD}))
    assert made.code == 0, made.output[-6000:]
    assert running(on) == {OLD}
    return handed_over(on)


@pytest.fixture(scope="module")
def talk(old: dict[str, str]) -> str:
    """A conversation that somebody had."""
    return ask(old)["conversation_id"]


def running(on: On) -> set[str]:
    """The releases that containers of the API and the web pages are of."""
    images = on("dify-wsl", "docker", "ps", "--format", "{{.Image}}")
    return set(re.findall(r"^langgenius/dify-(?:api|web):(\S+)$", images, re.MULTILINE))


def schema(on: On) -> str:
    """The release that the database is of."""
    row = on("dify-wsl", "docker", "exec", "docker-db_postgres-1", "psql", "-U", "postgres", "-d", "dify",
             "-tAc", "select body from standin_documents where kind = 'schema'")  # fmt: skip
    return str(json.loads(row)["version"])


def noted(on: On) -> str:
    """The phase of what is unfinished; empty when nothing is."""
    text = on("dify-wsl", "sh", "-c", f"cat {NOTE} 2>/dev/null || true")
    return str(json.loads(text)["phase"]) if text else ""


def is_as_before(on: On, version: str, old: dict[str, str], talk: str) -> None:
    """This release, with the link, key and conversation of before, and nothing left to do for deploy.py."""
    assert running(on) == {version}
    assert schema(on) == version
    assert noted(on) == ""
    assert "dify.next" not in on("dify-wsl", "ls", "/opt")
    assert on("dify-wsl", "stat", "-c", "%a", "/opt/dify/docker/.env").strip() == "600"
    assert httpx.get(old["Chat link"], timeout=30).status_code == 200
    assert talk in conversations(old)
    assert ask(old, talk)["conversation_id"] == talk
    again = apply(*setting(dify={"version": version}))
    assert (again.code, again.changed) == (0, {}), again.output[-6000:]
    assert handed_over(on) == old


def killed_in(on: On, phase: str, log: Path, *arguments: str) -> None:
    """Start an upgrade to the pinned release and kill it, as a power cut would, in one of its phases."""
    command = ["pyinfra", "-y", *to(NEW), *arguments, LAB, "deploys/upgrade.py"]
    with log.open("w") as output, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    ) as upgrade:  # fmt: skip
        until = time.monotonic() + SECONDS
        while noted(on) != phase:
            assert upgrade.poll() is None, log.read_text()[-6000:]
            assert time.monotonic() < until, log.read_text()[-6000:]
            time.sleep(0.1)
        upgrade.kill()
    assert noted(on) == phase


def go_back_to_the_old_release(on: On) -> None:
    newest = sorted(name for name in on("dify-wsl", "ls", BACKUPS).split() if name.endswith(f"-{OLD}"))[-1]
    done = run("restore", "--data", f"backup={newest}")
    assert done.code == 0, done.output[-6000:]
    assert running(on) == {OLD}


def test_deploy_only_tells_that_another_release_runs(on: On, old: dict[str, str], talk: str) -> None:
    before = processes(on)
    told = apply()
    assert (told.code, told.changed) == (0, {}), told.output[-6000:]
    assert f"/opt/dify is at {OLD}, dify.version is {NEW}" in told.output
    assert f"deploys/upgrade.py --data dify_version={NEW}" in told.output
    assert processes(on) == before
    assert talk in conversations(old)


def test_what_nobody_has_thought_of_is_refused(on: On, old: dict[str, str]) -> None:
    del old
    before = processes(on)
    refused = run("upgrade", *to(BEYOND))
    assert (refused.code, refused.changed) == (1, {}), refused.output[-6000:]
    assert "refused, nothing was touched:" in refused.output
    assert "weaviate-1.39 (1.17.1): the bundled Weaviate" in refused.output
    assert processes(on) == before
    assert noted(on) == ""


def test_a_failing_migration_rolls_back(on: On, old: dict[str, str], talk: str) -> None:
    done = run("upgrade", *to(NEW), *FAILING)
    assert done.code == 1
    assert re.search(rf"{NEW} failed: .+Dify is {OLD} again, with the data of backup", done.output), (
        done.output[-6000:]
    )
    assert f"the migration to {NEW} was told to fail" in done.output  # the container's last words
    assert "STANDIN_" not in on("dify-wsl", "cat", "/opt/dify/docker/.env")
    assert "dify.replaced" in on("dify-wsl", "ls", "/opt")
    is_as_before(on, OLD, old, talk)


def test_killed_while_it_goes_back_it_goes_back(
    on: On, old: dict[str, str], talk: str, tmp_path: Path
) -> None:
    killed_in(on, "going back", tmp_path / "log", *FAILING)
    done = run("upgrade", *to(NEW))
    assert done.code == 1
    assert f"Dify is {OLD} again, with the data of backup" in done.output, done.output[-6000:]
    is_as_before(on, OLD, old, talk)


def test_killed_while_it_backs_up_it_is_finished_by_the_next_run(
    on: On, old: dict[str, str], talk: str, tmp_path: Path
) -> None:
    killed_in(on, "backing up", tmp_path / "log")
    done = run("upgrade", *to(NEW))
    assert done.code == 0, done.output[-6000:]
    is_as_before(on, NEW, old, talk)


def test_killed_while_the_new_release_starts_it_is_finished_by_the_next_run(
    on: On, old: dict[str, str], talk: str, tmp_path: Path
) -> None:
    go_back_to_the_old_release(on)
    killed_in(on, "starting", tmp_path / "log", *SLOW)
    left_alone = apply()
    assert left_alone.code == 1
    assert f"an upgrade to {NEW} is not finished (starting)" in left_alone.output
    done = run("upgrade", *to(NEW))
    assert done.code == 0, done.output[-6000:]
    is_as_before(on, NEW, old, talk)


def test_an_upgrade_keeps_the_data_and_the_second_run_changes_nothing(
    on: On, old: dict[str, str], talk: str
) -> None:
    go_back_to_the_old_release(on)
    done = run("upgrade", *to(NEW))
    assert done.code == 0, done.output[-6000:]
    assert re.search(rf"Dify is {NEW} and answers\. Backup \S+-{OLD} is the way back", done.output)
    is_as_before(on, NEW, old, talk)
    before = processes(on)
    again = run("upgrade", *to(NEW))
    assert (again.code, again.changed) == (0, {}), again.output[-6000:]
    assert processes(on) == before
