"""Backups made here: in folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import shutil
import stat
from datetime import datetime, tzinfo
from pathlib import Path

import pytest
from local_host import LocalHost, PowerCutError, as_host, settings
from pyinfra.api import StringCommand

from provision.facts.backup import Backups
from provision.operations import backup
from provision.operations.steps import StepError


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


def test_a_backup_is_whole_private_and_leaves_dify_running(here: LocalHost) -> None:
    manifest = backup.pack(as_host(here), settings(here))
    folder = here.folder / "backups" / manifest.name
    assert [part.name for part in manifest.parts] == ["installation", "secrets"]
    assert {path.name for path in folder.iterdir()} == {
        "installation.tar.gz", "secrets.tar.gz", "manifest.json",
    }  # fmt: skip
    assert modes(folder) == {0o600}
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(backup.digest(folder / part.file) == part.sha256 for part in manifest.parts)
    assert manifest.version == ""
    assert backup.manifest_of(as_host(here), str(folder.parent), manifest.name) == manifest
    assert here.running == ["dify-api:1.15.0"]
    order = [next(word for word in ("config", "ps", "stop", "up") if word in call.split())
             for call in here.calls if call.startswith("compose")]  # fmt: skip
    assert order == ["config", "ps", "stop", "up"]
    assert not any("canary" in line for line in here.said)


def test_a_compose_that_does_not_say_what_runs_stops_the_backup(here: LocalHost) -> None:
    """Rather than running databases being packed."""
    docker = here.folder / "bin/docker"
    docker.write_text(
        docker.read_text().replace('*" compose "*"ps "*)', '*" compose "*"ps "*) exit 1 ;;\nnever)')
    )
    with pytest.raises(StepError, match="backing up failed"):
        backup.pack(as_host(here), settings(here))
    assert here.running == ["dify-api:1.15.0"]
    assert here.get_fact(Backups, folder=f"{here.folder}/backups") == []


def test_what_was_stopped_stays_stopped(here: LocalHost) -> None:
    (here.docker / "running").unlink()
    assert backup.pack(as_host(here), settings(here)).downtime == 0
    assert here.running == []


def test_dify_stays_stopped_when_that_is_wanted(here: LocalHost) -> None:
    backup.pack(as_host(here), settings(here), leave_stopped=True)
    assert here.running == []


@pytest.mark.parametrize("leave_stopped", [True, False])
def test_dify_runs_again_when_packing_fails(here: LocalHost, leave_stopped: bool) -> None:
    tar = here.folder / "bin/tar"
    tar.write_text("#!/bin/sh\necho 'tar: no space left' >&2; exit 2\n")
    tar.chmod(0o755)
    with pytest.raises(StepError, match="backing up failed"):
        backup.pack(as_host(here), settings(here), leave_stopped=leave_stopped)
    assert here.running == ["dify-api:1.15.0"]
    assert not (here.folder / "backups/.new").exists()
    assert here.get_fact(Backups, folder=f"{here.folder}/backups") == []
    tar.unlink()
    backup.pack(as_host(here), settings(here))
    assert len(here.get_fact(Backups, folder=f"{here.folder}/backups")) == 1


def test_a_dify_that_does_not_start_again_is_told_and_started_by_the_next(here: LocalHost) -> None:
    here.fail("up")
    with pytest.raises(StepError, match="backing up failed"):
        backup.pack(as_host(here), settings(here))
    assert any("Dify is stopped, and could not be started: cd " in line for line in here.said)
    assert here.running == []
    here.fail("")
    backup.pack(as_host(here), settings(here))
    assert here.running == ["dify-api:1.15.0"]


def test_a_manifest_that_cannot_be_written_leaves_nothing(
    here: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StepError("no space left on device")

    monkeypatch.setattr(backup, "put_text", full)
    with pytest.raises(StepError, match="no space left"):
        backup.pack(as_host(here), settings(here))
    assert not (here.folder / "backups/.new").exists()
    assert here.running == ["dify-api:1.15.0"]


def test_dify_runs_again_after_a_power_cut_and_another_backup(here: LocalHost) -> None:
    """What the cut leaves behind: stopped containers, half a file, and the note that says why."""
    staged = here.folder / "backups/.new"
    staged.mkdir(parents=True)
    (staged / "installation.tar.gz").write_text("half")
    staged.with_name(".new.stopped").write_text("1750000000\n")
    (here.docker / "running").unlink()
    manifest = backup.pack(as_host(here), settings(here))
    assert here.running == ["dify-api:1.15.0"]
    assert manifest.downtime > 1000
    assert not staged.with_name(".new.stopped").exists()


def test_a_backup_that_was_cut_anywhere_is_none_or_whole(here: LocalHost, tmp_path: Path) -> None:
    """And the next one is whole, and Dify runs."""
    for number in range(1, 50):
        cut = LocalHost(tmp_path, cut_before=number)
        try:
            backup.pack(as_host(cut), settings(cut))
        except PowerCutError:
            for name in here.get_fact(Backups, folder=f"{tmp_path}/backups"):
                shutil.rmtree(tmp_path / "backups" / name)
            assert here.running == ["dify-api:1.15.0"]
        else:
            assert number > 3
            return
    pytest.fail("it never came to its end")


def test_two_backups_in_a_second(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0, 0, 0, 1])

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls(2026, 11, 23, 3, 0, next(seconds), tzinfo=tz)

    monkeypatch.setattr(backup, "datetime", Clock)
    names = [backup.pack(as_host(here), settings(here)).name for _ in range(2)]
    assert [name[:16] for name in names] == ["20261123T030000Z", "20261123T030001Z"]


def test_a_backup_that_is_not_there_is_told_with_those_that_are(here: LocalHost) -> None:
    name = backup.pack(as_host(here), settings(here)).name
    with pytest.raises(StepError, match=f"has no backup x; it has {name}"):
        backup.manifest_of(as_host(here), f"{here.folder}/backups", "x")


def test_a_fetched_backup_is_the_same_and_private(here: LocalHost, tmp_path: Path) -> None:
    name = backup.pack(as_host(here), settings(here)).name
    assert backup._fetch(None, as_host(here), settings(here), str(tmp_path / "here"))  # type: ignore[arg-type]
    target = tmp_path / "here/here" / name
    source = tmp_path / "backups" / name
    assert {path.name for path in target.iterdir()} == {path.name for path in source.iterdir()}
    assert all((target / path.name).read_bytes() == path.read_bytes() for path in source.iterdir())
    assert modes(target) - {0o644} == {0o600}
    assert stat.S_IMODE(target.stat().st_mode) == 0o700


def test_as_many_copies_stay_as_backups(here: LocalHost, tmp_path: Path) -> None:
    """And whatever else is in their folder."""
    copies = tmp_path / "here/here"
    for name in ("20200101T000000Z-1.3.1", "20200102T000000Z-1.3.1", "mine"):
        (copies / name).mkdir(parents=True)
        (copies / name / "manifest.json").write_text("{}")
    name = backup.pack(as_host(here), settings(here)).name
    assert backup._fetch(None, as_host(here), settings(here), str(tmp_path / "here"))  # type: ignore[arg-type]
    assert {path.name for path in copies.iterdir()} == {"20200102T000000Z-1.3.1", "mine", name}


def test_what_a_killed_run_has_left_of_old_backups_goes_with_the_next(
    here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the host and here: cut after any step, what is half removed is neither listed nor kept."""
    monkeypatch.setattr(backup, "host", here)
    old = [f"2020010{day}T000000Z-1.3.1" for day in range(1, 5)]
    copies, backups = tmp_path / "here/here", tmp_path / "backups"
    for folder in (copies, backups):
        for name in (*old, "mine"):
            (folder / name).mkdir(parents=True)
            (folder / name / "manifest.json").write_text("{}")

    def steps() -> list[StringCommand]:
        return list(backup.thinned_out._inner(dify=settings(here)))

    assert len(steps()) == 3
    here.run_shell_command(steps()[0])  # and there the run is killed
    assert f".removing-{old[0]}" in {path.name for path in backups.iterdir()}
    assert here.get_fact(Backups, folder=str(backups)) == old[1:]
    here.run_shell_command(steps()[0])
    [last] = steps()
    assert here.run_shell_command(last)[0]
    assert {path.name for path in backups.iterdir()} == {*old[2:], "mine"}
    assert steps() == []

    def killed(path: Path) -> None:
        raise PowerCutError(path)

    with monkeypatch.context() as cut:
        cut.setattr(shutil, "rmtree", killed)
        with pytest.raises(PowerCutError):
            backup._thin_out_copies(as_host(here), copies, 2)
    backup._thin_out_copies(as_host(here), copies, 2)
    assert {path.name for path in copies.iterdir()} == {*old[2:], "mine"}


def test_a_damaged_file_is_not_taken_for_a_copy(here: LocalHost, tmp_path: Path) -> None:
    name = backup.pack(as_host(here), settings(here)).name
    with (tmp_path / "backups" / name / "installation.tar.gz").open("ab") as file:
        file.write(b"x")
    assert not backup._fetch(None, as_host(here), settings(here), str(tmp_path / "here"))  # type: ignore[arg-type]
    assert not list((tmp_path / "here").rglob("manifest.json"))
    assert any("arrived with another SHA-256" in line for line in here.said)
