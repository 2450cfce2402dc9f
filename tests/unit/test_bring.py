"""Backups that were fetched, brought to a host."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from local_host import LocalHost, as_host, settings
from restoring import put_back

from provision.domain.room import Space
from provision.domain.settings import BackupSettings, DifySettings
from provision.facts.hardware import FolderSizes, FreeSpace
from provision.operations import backup, restore, unfinished
from provision.operations.bringing import bring
from provision.operations.steps import StepError
from provision.operations.unfinished import noted


def fetched(here: LocalHost) -> Path:
    """A copy of a backup, which the host has not any more."""
    name = backup.pack(as_host(here), settings(here)).name
    assert backup._fetch(None, as_host(here), settings(here), f"{here.folder}/copies")  # type: ignore[arg-type]
    shutil.rmtree(here.folder / "backups")
    return here.folder / "copies/here" / name


def test_nothing_is_sent_without_room_for_the_rest(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = fetched(here)
    size = sum(path.stat().st_size for path in copy.glob("*.gz"))
    there: list[int] = [0]
    monkeypatch.setattr(FreeSpace, "process", lambda *_: Space(size - 1, "/"))
    monkeypatch.setattr(FolderSizes, "process", lambda *_: there[0])
    with pytest.raises(
        StepError, match=r"for what is sent\); free some, or set dify.backup.folder to a larger"
    ):
        bring(as_host(here), copy, settings(here).backup.folder)
    assert not list((here.folder / "backups").rglob("*.gz"))
    there[0] = 1  # what has arrived needs none
    bring(as_host(here), copy, settings(here).backup.folder)
    assert (here.folder / "backups" / copy.name / "manifest.json").exists()


def test_what_arrived_of_another_backup_goes(here: LocalHost) -> None:
    copy = fetched(here)
    backups = here.folder / "backups"
    for name in (".coming-20200101T000000Z-1.3.1", f".coming-{copy.name}", "20200102T000000Z-1.3.1"):
        (backups / name).mkdir(parents=True)
        (backups / name / "secrets.tar.gz").write_text("some of it")
    bring(as_host(here), copy, str(backups))
    assert {path.name for path in backups.iterdir()} == {copy.name, "20200102T000000Z-1.3.1"}


def test_a_copy_may_be_renamed(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = fetched(here)
    renamed = copy.rename(copy.with_name("before the move"))
    assert put_back(here, str(renamed)), "\n".join(here.said)
    begun = noted(as_host(here))
    assert begun
    assert begun.backup == copy.name
    for module in (restore, unfinished):
        monkeypatch.setattr(module, "host", here)
    here.said.clear()
    assert list(restore.put_back._inner(dify=settings(here), backup=str(renamed)))
    assert not any("takes its place" in line for line in here.said)
    [refused] = restore.put_back._inner(dify=settings(here), backup=str(here.folder))
    assert "is no backup" in refused.get_raw_value()


@pytest.mark.parametrize("reached", ["here", "@local"])
def test_onto_a_fresh_host_from_a_fetched_copy(
    here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: str
) -> None:
    """Another host, another folder; nothing of Dify is there. On this machine pyinfra carries no part."""
    here.name = reached
    carried = []
    for name in ("get_file", "put_file"):
        carry = getattr(here, name)
        monkeypatch.setattr(here, name, lambda a, b, carry=carry: carried.append(str(a)) or carry(a, b))
    volume = here.folder / "docker-engine/volumes/docker_es/_data"
    volume.mkdir(parents=True)
    (volume / "index").write_text("words")
    here.mounts({"Type": "volume", "Name": "docker_es", "Source": str(volume), "RW": True})
    name = backup.pack(as_host(here), settings(here)).name
    assert backup._fetch(None, as_host(here), settings(here), str(tmp_path / "copies"))  # type: ignore[arg-type]
    for gone in ("dify", "etc", "backups", "docker-engine/volumes"):
        shutil.rmtree(tmp_path / gone)
    for gone in ("containers", "running"):
        (here.docker / gone).unlink()

    dify = DifySettings(folder=f"{tmp_path}/srv/dify2", backup=BackupSettings(folder=f"{tmp_path}/kept"))
    assert put_back(here, str(tmp_path / "copies" / reached / name), dify), "\n".join(here.said)
    assert any(path.endswith(".tar.gz") for path in carried) == (reached != "@local")
    assert (tmp_path / "srv/dify2/docker/volumes/db/data/documents").read_text() == "a row\n"
    assert (tmp_path / "etc/secrets/admin-password").read_text() == "canary\n"
    assert (volume / "index").read_text() == "words"
    assert here.running == ["dify-api:1.15.0"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kept" / name).glob("*.gz")} == {0o600}
    labels = [call for call in here.calls if call.startswith("volume create")]
    assert labels
    assert all("com.docker.compose.volume=es docker_es" in call for call in labels)
