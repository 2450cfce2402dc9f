"""Restores that were cut, and what takes their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from local_host import LocalHost, PowerCutError, as_host, settings
from restoring import lived_on, put_back, rows

from provision.domain.unfinished import Phase
from provision.operations import backup, restore, unfinished
from provision.operations.unfinished import noted


def test_a_restore_that_was_cut_anywhere_is_finished_by_the_next(here: LocalHost, tmp_path: Path) -> None:
    manifest = lived_on(here)
    saved = tmp_path.with_name(f"{tmp_path.name}-saved")
    shutil.copytree(tmp_path, saved)
    for number in range(1, 60):
        shutil.rmtree(tmp_path)
        shutil.copytree(saved, tmp_path)
        try:
            assert put_back(LocalHost(tmp_path, cut_before=number), manifest.name)
        except PowerCutError:
            assert put_back(here, manifest.name), (number, here.said)
        else:
            assert number > 5
            return
        assert rows(here) == "a row\n"
        assert (tmp_path / "dify.replaced/docker/volumes/new").exists()
        assert here.running == ["dify-api:1.15.0"]
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_host_that_lost_power_while_it_exchanged_folders(here: LocalHost, moment: str) -> None:
    """Killed inside the program on the host: before, between and after its two renames."""
    manifest = lived_on(here)
    restore.note(as_host(here), restore.Unfinished("restore", "putting back", "", "", manifest.name))
    mv = here.folder / "bin/mv"
    moved = here.folder / "moved"
    nth = {"before": 1, "between": 2, "after": 3}[moment]
    mv.write_text(
        f'#!/bin/sh\necho >>{moved}; [ "$(wc -l <{moved})" != {nth} ] || kill -9 $PPID; exec /bin/mv "$@"\n'
    )
    mv.chmod(0o755)
    moved.write_text("")
    assert not put_back(here, manifest.name)
    mv.unlink()
    assert put_back(here, manifest.name), "\n".join(here.said)
    assert rows(here) == "a row\n"
    assert (here.folder / "dify.replaced/docker/volumes/new").exists()
    assert here.running == ["dify-api:1.15.0"]


def test_what_people_did_before_it_was_proven_is_not_put_back_again(here: LocalHost) -> None:
    """Dify runs, and a model that is down keeps it from being proven."""
    manifest = lived_on(here)
    assert put_back(here, manifest.name)
    documents = here.folder / "dify/docker/volumes/db/data/documents"
    documents.write_text("a row\nwritten meanwhile\n")
    (here.docker / "running").unlink()
    assert put_back(here, manifest.name)
    assert documents.read_text() == "a row\nwritten meanwhile\n"
    assert (here.folder / "dify.replaced/docker/volumes/new").exists()
    assert here.running == ["dify-api:1.15.0"]


def test_another_restore_takes_its_place(here: LocalHost) -> None:
    first = lived_on(here)
    second = backup.pack(as_host(here), settings(here))
    assert put_back(here, first.name)
    assert put_back(here, second.name)
    assert rows(here) == "a row\nanother row\n"
    assert (here.folder / "dify.replaced/docker/volumes/db/data/documents").read_text() == "a row\n"
    begun = noted(as_host(here))
    assert begun
    assert begun.backup == second.name


def test_another_restore_takes_the_place_of_one_that_was_cut_amid(here: LocalHost) -> None:
    """The one copy of what was there is beside it then, and stays."""
    first = lived_on(here)
    shutil.copytree(here.folder / "dify", here.folder / "dify.replaced", symlinks=True)
    (here.folder / "dify/docker/volumes/db/data/documents").write_text("half of a backup\n")
    second = backup.pack(as_host(here), settings(here))
    restore.note(as_host(here), restore.Unfinished("restore", "putting back", "", "", second.name))
    assert put_back(here, first.name), "\n".join(here.said)
    assert rows(here) == "a row\n"
    kept = here.folder / "dify.replaced/docker/volumes/db/data/documents"
    assert kept.read_text() == "a row\nanother row\n"


def test_what_only_the_other_restore_replaces_is_kept_as_it_is_now(here: LocalHost) -> None:
    """Beside it lies what a restore of long ago has put aside."""
    cut = lived_on(here)
    key = here.folder / "etc/api-key"
    key.write_text("of the backup\n")
    second = backup.pack(as_host(here), settings(here))
    key.write_text("of today\n")
    key.with_name("api-key.replaced").write_text("of long ago\n")
    shutil.copytree(here.folder / "dify", here.folder / "dify.replaced", symlinks=True)
    restore.note(as_host(here), restore.Unfinished("restore", "putting back", "", "", cut.name))
    assert put_back(here, second.name), "\n".join(here.said)
    assert key.read_text() == "of the backup\n"
    assert key.with_name("api-key.replaced").read_text() == "of today\n"
    assert (here.folder / "dify.replaced/docker/volumes/new").exists()


def test_another_restore_goes_on_without_the_backup_of_the_one_that_was_cut(here: LocalHost) -> None:
    name = lived_on(here).name
    shutil.copytree(here.folder / "dify", here.folder / "dify.replaced", symlinks=True)
    gone = "20200101T000000Z-1.3.1"
    restore.note(as_host(here), restore.Unfinished("restore", "putting back", "", "", gone))
    assert put_back(here, name), "\n".join(here.said)
    assert (here.folder / "dify.replaced/docker/volumes/new").exists()


@pytest.mark.parametrize("phase", ["backing up", "starting", "going back", "proving", "clearing up"])
def test_a_restore_is_the_way_out_of_an_upgrade(here: LocalHost, phase: Phase) -> None:
    manifest = lived_on(here)
    (here.folder / "dify.next").mkdir()
    begun = restore.Unfinished("upgrade", phase, "1.15.0", "1.16.1", manifest.name, "it failed")
    restore.note(as_host(here), begun)
    assert put_back(here, manifest.name), "\n".join(here.said)
    assert rows(here) == "a row\n"
    assert (here.folder / "dify.replaced/docker/volumes/new").exists()
    assert restore._finish(None, as_host(here), settings(here))  # type: ignore[arg-type]
    assert noted(as_host(here)) is None
    assert not (here.folder / "dify.next").exists()


def test_what_it_takes_the_place_of_is_told(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (restore, unfinished):
        monkeypatch.setattr(module, "host", here)
    restore.note(as_host(here), restore.Unfinished("upgrade", "starting", "1.15.0", "1.16.1", "b"))
    assert list(restore.put_back._inner(dify=settings(here), backup="b"))
    assert here.said[-1] == "an upgrade to 1.16.1 is not finished (starting); this restore takes its place"
    restore.note(as_host(here), restore.Unfinished("restore", "proving", "", "", "b"))
    here.said.clear()
    assert list(restore.put_back._inner(dify=settings(here), backup="/somewhere/b"))
    assert not any("takes its place" in line for line in here.said)
