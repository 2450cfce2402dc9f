"""Upgrades that were cut, and what the next run makes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from local_host import LocalHost, PowerCutError, as_host
from upgrading import BACK, NEW, OLD, UPGRADED, comes_up, cut_while, run, state_of

from provision.domain.deployment import Deployment
from provision.domain.unfinished import Unfinished
from provision.operations import restore, upgrade
from provision.operations.steps import StepError
from provision.operations.unfinished import noted


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("fails", [False, True], ids=["a good release", "a bad release"])
def test_killed_anywhere_and_run_again_it_finishes_or_goes_back(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, fails: bool, every: int
) -> None:
    """Before one command in so many, from the first to the last."""
    comes_up(monkeypatch, *([NEW] if fails else []))
    folder = here.folder
    saved = folder.with_name(f"{folder.name}-saved")
    shutil.copytree(folder, saved, symlinks=True)
    phases = set()
    for number in range(1, 200, every):
        shutil.rmtree(folder)
        shutil.copytree(saved, folder, symlinks=True)
        try:
            assert run(LocalHost(folder, cut_before=number), deployment) is not fails
        except PowerCutError:
            begun = noted(as_host(here))
            phases.add(begun.phase if begun else "")
            again = run(here, deployment)
            assert again is not fails, (number, "\n".join(here.said))
            assert state_of(here, deployment) == (BACK if fails else UPGRADED), number
        else:
            break
    always = {"", "backing up", "changing files", "starting", "clearing up"}
    back = {"going back", "proving"}
    assert phases <= always | back
    assert len(phases) >= 4
    assert every > 1 or phases == (always | back if fails else always)


def test_what_people_have_worked_with_is_not_put_back_unasked(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new release came up after the run was cut, and the model is down when it is run again."""
    begun = cut_while(here, deployment, "starting")
    restore.start(as_host(here), deployment.dify)
    (here.docker / "created").write_text("2020-01-01T00:00:00Z\n")
    since = Path(deployment.dify.folder) / "docker/volumes/since"
    since.write_text("written since")

    comes_up(monkeypatch, NEW)
    assert not run(here, deployment)
    assert "1.16.1, which an earlier run has started, fails: migration of 1.16.1 failed." in here.said[-1]
    assert f"or put back {begun.backup} by deploys/restore.py" in here.said[-1]
    assert since.exists()
    assert noted(as_host(here)) == begun
    comes_up(monkeypatch)
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED
    assert since.exists()


def test_what_was_written_after_a_reboot_is_backed_up_too(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before the files changed; the host was started again, and the old release with it."""
    cut_while(here, deployment, "changing files")
    since = Path(deployment.dify.folder) / "docker/volumes/since"
    since.write_text("written since")
    (here.docker / "running").write_text((here.docker / "containers").read_text())
    comes_up(monkeypatch, NEW)
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
    assert since.read_text() == "written since"


def test_a_way_back_that_is_not_proven_is_proven_later(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people have written since stays: nothing is put back again."""
    comes_up(monkeypatch, OLD, NEW)
    assert not run(here, deployment)
    begun = noted(as_host(here))
    assert begun
    assert begun.phase == "proving"
    assert any("1.15.0 is back in its place but does not answer" in line for line in here.said)
    since = Path(deployment.dify.folder) / "docker/volumes/since"
    since.write_text("written since")
    comes_up(monkeypatch)
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
    assert since.read_text() == "written since"


def test_a_way_back_that_could_not_begin_is_gone_by_the_next_run(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long after: nobody has worked with a release that was told not to work."""

    def no_room(*_: object) -> Unfinished:
        raise StepError("no room")

    comes_up(monkeypatch, NEW)
    with monkeypatch.context() as once:
        once.setattr(upgrade, "exchange", no_room)
        assert not run(here, deployment)
    (here.docker / "created").write_text("2020-01-01T00:00:00Z\n")
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
