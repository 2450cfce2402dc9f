"""Dify's clone, made on this machine while another one is under way, and after it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from local_host import LocalHost
from pyinfra.api import FunctionCommand
from upgrading import git

from provision.domain.settings import DifySettings
from provision.facts.adoption import RememberedFolder
from provision.facts.git import CheckedOutTag
from provision.operations import dify_stack


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """A host without Dify, and what a killed run has left of one."""
    here = LocalHost(tmp_path)
    monkeypatch.setattr(dify_stack, "host", here)
    real = here.get_fact
    monkeypatch.setattr(
        here, "get_fact", lambda fact, **words: "" if fact is RememberedFolder else real(fact, **words)
    )
    (tmp_path / "opt/dify.new/half").mkdir(parents=True)
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "--quiet")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "m")
    git(repository, "tag", "1.16.1")
    return here


def cloned(here: LocalHost) -> bool:
    """Run the operation; whether all of it succeeded."""
    dify = DifySettings(folder=f"{here.folder}/opt/dify", version="1.16.1")
    dify = dify.model_copy(update={"repository": f"file://{here.folder}/repository"})
    for command in dify_stack.clone._inner(dify=dify):  # type: ignore[attr-defined]
        if isinstance(command, FunctionCommand):
            done = command.function(None, here)
        else:
            done, _ = here.run_shell_command(command)
        if not done:
            return False
    return True


def test_what_a_killed_run_left_is_no_obstacle(empty: LocalHost) -> None:
    assert cloned(empty), empty.said
    assert empty.get_fact(CheckedOutTag, path=f"{empty.folder}/opt/dify") == "1.16.1"
    assert not (empty.folder / "opt/dify.new").exists()
    assert cloned(empty)
    assert empty.said[-1] == f"{empty.folder}/opt/dify is at 1.16.1"


def test_a_clone_that_hangs_is_not_waited_for_for_ever(
    empty: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dify_stack, "LONGEST_CLONE", 1)
    lock = f"{empty.folder}/opt/dify.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held; read -r _"], stdin=-1, stdout=-1) as other:
        assert other.stdout
        assert other.stdout.readline()
        assert not cloned(empty)
        assert other.stdin
        other.stdin.close()
    [told] = [line for line in empty.said if lock in line]
    assert told.startswith("Clone Dify: git, which an earlier run began, holds ")
    assert told.endswith("end it, then run again")
    assert (empty.folder / "opt/dify.new/half").exists()
    assert cloned(empty)
