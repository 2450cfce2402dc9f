"""Backups put back here: in folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from local_host import LocalHost, PowerCutError, as_host, settings

from provision.domain import backup as domain
from provision.domain.backup import Manifest
from provision.domain.settings import BackupSettings, DifySettings
from provision.operations import backup, restore
from provision.operations.unfinished import noted


def put_back(here: LocalHost, name: str, dify: DifySettings | None = None) -> bool:
    return restore._put_back(None, as_host(here), dify or settings(here), name)  # type: ignore[arg-type]


def rows(here: LocalHost) -> str:
    return (here.folder / "dify/docker/volumes/db/data/documents").read_text()


def lived_on(here: LocalHost) -> Manifest:
    """A backup, after which the installation was written to."""
    manifest = backup.pack(as_host(here), settings(here))
    (here.folder / "dify/docker/volumes/db/data/documents").write_text("a row\nanother row\n")
    (here.folder / "dify/docker/volumes/new").write_text("")
    (here.folder / "etc/secrets/admin-password").write_text("another\n")
    return manifest


def test_onto_the_same_host(here: LocalHost) -> None:
    manifest = lived_on(here)
    assert put_back(here, manifest.name), "\n".join(here.said)
    assert rows(here) == "a row\n"
    assert not (here.folder / "dify/docker/volumes/new").exists()
    assert (here.folder / "etc/secrets/admin-password").read_text() == "canary\n"
    assert stat.S_IMODE((here.folder / "dify/docker/.env").stat().st_mode) == 0o600
    assert stat.S_IMODE((here.folder / "etc/secrets").stat().st_mode) == 0o700
    assert here.running == ["dify-api:1.15.0"]
    # What was there is kept, and Dify was stopped before it was moved.
    kept = here.folder / "dify.replaced/docker/volumes/db/data/documents"
    assert kept.read_text() == "a row\nanother row\n"
    begun = noted(as_host(here))
    assert begun
    assert str(begun) == f"a restore from {manifest.name} is not finished (putting back)"
    assert restore._finish(None, as_host(here))  # type: ignore[arg-type]
    assert noted(as_host(here)) is None
    assert not any("canary" in line for line in here.said)


def test_onto_a_fresh_host_from_a_fetched_copy(here: LocalHost, tmp_path: Path) -> None:
    """Another host, another folder; nothing of Dify is there."""
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
    assert put_back(here, str(tmp_path / "copies/here" / name), dify), "\n".join(here.said)
    assert (tmp_path / "srv/dify2/docker/volumes/db/data/documents").read_text() == "a row\n"
    assert (tmp_path / "etc/secrets/admin-password").read_text() == "canary\n"
    assert (volume / "index").read_text() == "words"
    assert here.running == ["dify-api:1.15.0"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kept" / name).glob("*.gz")} == {0o600}
    labels = [call for call in here.calls if call.startswith("volume create")]
    assert all("com.docker.compose.volume=es docker_es" in call for call in labels)


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
    restore.discard(as_host(here), settings(here), manifest)
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


def test_a_damaged_backup_stops_nothing(here: LocalHost) -> None:
    manifest = lived_on(here)
    with (here.folder / "backups" / manifest.name / "secrets.tar.gz").open("ab") as file:
        file.write(b"x")
    assert not put_back(here, manifest.name)
    assert any("secrets.tar.gz is damaged: its SHA-256 is not" in line for line in here.said)
    assert rows(here) == "a row\nanother row\n"
    assert here.running == ["dify-api:1.15.0"]


def test_a_backup_that_is_not_there(here: LocalHost) -> None:
    manifest = lived_on(here)
    assert not put_back(here, "20200101T000000Z-1.3.1")
    assert any(f"has no backup 20200101T000000Z-1.3.1; it has {manifest.name}" in line for line in here.said)
    assert noted(as_host(here)) is None


def test_an_image_that_is_not_to_be_had_is_told_and_the_next_run_goes_on(here: LocalHost) -> None:
    manifest = lived_on(here)
    here.fail("pull")
    assert not put_back(here, manifest.name)
    assert any("pulling images failed" in line for line in here.said)
    here.fail("")
    assert put_back(here, manifest.name)
    assert rows(here) == "a row\n"
    assert (here.folder / "dify.replaced/docker/volumes/new").exists()


def test_no_room(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = lived_on(here)
    monkeypatch.setattr(Manifest, "unpacked", 10**18)
    assert not put_back(here, manifest.name)
    assert any("are needed; free some, or set dify.folder to a larger disk" in line for line in here.said)
    assert rows(here) == "a row\nanother row\n"


def test_places() -> None:
    part = domain.Part
    assert domain.place_of(part("installation", "/opt/dify"), "/srv/dify") == "/srv/dify"
    assert domain.place_of(part("api-key", "/etc/passwd"), "/srv/dify") == "/etc/dify-vllm-deploy/api-key"
    assert domain.place_of(part("mount-1", "/data"), "/srv/dify") == "/data"
    assert domain.place_of(part("volume-x", "/v", "x"), "/srv/dify") is None
