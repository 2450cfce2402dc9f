"""What is asked of Docker while Dify's containers start: our programs, with a Docker that only answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision.facts.containers import Ill
from provision.operations.dify_containers import LAST_WORDS, PULL


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in Docker's place that runs the lines that a test gives it."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def answers(docker: Path, lines: str) -> None:
    docker.write_text(f'#!/bin/bash\necho "$*" >>{docker}.asked\n{lines}\n')
    docker.chmod(0o755)


def ran(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)


def test_only_missing_images_are_pulled_and_each_is_named(docker: Path) -> None:
    answers(
        docker,
        'case "$*" in *--images) printf "b:1\\na:1\\na:1\\n";; *inspect\\ a:1);; *inspect*) exit 1;; esac',
    )
    done = ran(PULL.get_raw_value())
    assert (done.returncode, done.stdout) == (0, "pulling b:1\n")
    assert [line for line in Path(f"{docker}.asked").read_text().splitlines() if "pull" in line] == [
        "pull --quiet b:1"
    ]


@pytest.mark.parametrize("status", [0, 18])
def test_what_compose_says_of_an_image_that_cannot_be_pulled_counts(docker: Path, status: int) -> None:
    answers(
        docker,
        'case "$*" in *--images) echo b:1; echo c:1;; compose*) echo "compose says" >&2; exit STATUS;; '
        '*) echo "denied" >&2; exit 1;; esac'.replace("STATUS", str(status)),
    )
    done = ran(PULL.get_raw_value())
    assert (done.returncode, done.stdout, done.stderr) == (status, "pulling b:1\n", "denied\ncompose says\n")
    assert Path(f"{docker}.asked").read_text().endswith("\ncompose pull --quiet --policy missing\n")


def test_a_definition_that_compose_refuses_ends_it(docker: Path) -> None:
    answers(docker, "echo 'no such file' >&2; exit 15")
    done = ran(PULL.get_raw_value())
    assert (done.returncode, done.stdout, done.stderr) == (15, "", "no such file\n")


def test_the_last_words_are_those_of_what_does_not_run(docker: Path) -> None:
    well = ["api running//0", "nginx running//0", "db running/healthy/0", "init exited//0"]
    states = [*well, "redis running/unhealthy/0", "worker restarting//1", "sandbox exited//137"]
    listed = "\n".join(f"echo '{state}'" for state in states)
    answers(docker, f'case "$*" in *--format*) {listed};; esac')
    assert ran(LAST_WORDS).returncode == 0
    asked = Path(f"{docker}.asked").read_text().splitlines()
    assert asked[0] == "compose ps --all"
    assert asked[-1] == "compose logs --tail 15 api nginx redis sandbox worker"


def test_what_ends_again_and_again_is_ill(docker: Path) -> None:
    lines = [
        "api running Up 3 hours",
        "db running Up 3 hours (healthy)",
        "init exited Exited (0) 3 hours ago",
        "web running Up 2 seconds (health: starting)",
        "worker restarting Restarting (1) 5 seconds ago",
        "redis running Up 3 hours (unhealthy)",
        "sandbox exited Exited (137) 2 hours ago",
        "nginx created Created",
    ]
    answers(docker, "\n".join(f"echo '{line}'" for line in lines))
    fact = Ill()
    done = ran(str(fact.command("docker").get_raw_value()))
    assert fact.process(done.stdout.splitlines()) == {
        "worker": "Restarting (1) 5 seconds ago",
        "redis": "Up 3 hours (unhealthy)",
        "sandbox": "Exited (137) 2 hours ago",
        "nginx": "Created",
    }
