"""Backups made here: in folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tarfile
from datetime import datetime, tzinfo
from pathlib import Path

import pytest
from local_host import LocalHost, PowerCutError, as_host, settings

from provision.domain import backup as domain
from provision.facts.backup import Backups
from provision.operations import backup, restore
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


@pytest.fixture
def under_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's folders lie there, and what is there is not taken for the machine's own."""
    monkeypatch.setattr(domain, "_MACHINE", ())


def volume_of(here: LocalHost, name: str) -> Path:
    """A volume that Docker keeps, with something in it."""
    place = here.docker / "volumes" / name / "_data"
    place.mkdir(parents=True)
    (place / "index").write_text("words\n")
    return place


def packed_files(here: LocalHost, manifest: domain.Manifest) -> set[str]:
    """Paths of all files that a backup holds, as they were on the host."""
    folder = here.folder / "backups" / manifest.name
    found = set()
    for part in manifest.parts:
        with tarfile.open(folder / part.file) as archive:
            found |= {f"{Path(part.source).parent}/{each.name}" for each in archive if each.isreg()}
    return found


@pytest.mark.usefixtures("under_tmp")
def test_what_containers_keep_elsewhere_comes_along(here: LocalHost) -> None:
    elsewhere = here.folder / "large disk/weaviate"
    elsewhere.mkdir(parents=True)
    volume = volume_of(here, "docker_es")
    here.mounts(
        {"Type": "bind", "Source": str(elsewhere), "RW": True},
        {"Type": "volume", "Name": "docker_es", "Source": str(volume), "RW": True},
        {"Type": "tmpfs", "Source": "", "RW": True},
    )
    manifest = backup.pack(as_host(here), settings(here))
    assert [(part.source, part.volume) for part in manifest.parts[2:]] == [
        (str(volume), "docker_es"),
        (str(elsewhere), ""),
    ]
    assert str(volume / "index") in packed_files(here, manifest)


@pytest.mark.usefixtures("under_tmp")
def test_what_is_mounted_is_known_without_containers_too(here: LocalHost) -> None:
    """After `docker compose down`: from the definition, of which no value is printed."""
    for gone in ("containers", "running"):
        (here.docker / gone).unlink()
    elsewhere = here.folder / "large/weaviate"
    elsewhere.mkdir(parents=True)
    volume = volume_of(here, "docker_es")
    binds = [
        {"type": "bind", "source": f"{here.folder}/dify/docker/volumes/db/data"},
        {"type": "bind", "source": str(elsewhere)},
        {"type": "bind", "source": "/usr/share/zoneinfo", "read_only": True},
        {"type": "volume", "source": "es"},
        {"type": "tmpfs"},
    ]
    services = {"db": {"volumes": binds, "environment": {"PASSWORD": "canary"}}, "web": {}}
    here.defines(services=services, volumes={"es": {"name": "docker_es"}, "never": {"name": "docker_never"}})
    manifest = backup.pack(as_host(here), settings(here))
    assert [part.source for part in manifest.parts[2:]] == [str(volume), str(elsewhere)]
    assert not any("canary" in line for line in here.said)


@pytest.mark.usefixtures("under_tmp")
@pytest.mark.parametrize("link", ["volumes", "volumes/db", "volumes/db/data"])
def test_data_behind_a_link_comes_along_and_is_put_back(here: LocalHost, link: str) -> None:
    """Moved to a larger disk, and a link left in its place, as people do."""
    inside = here.folder / "dify/docker" / link
    target = here.folder / "large/moved"
    target.parent.mkdir()
    inside.rename(target)
    inside.symlink_to(target)
    data = here.folder / "dify/docker/volumes/db/data"
    here.mounts({"Type": "bind", "Source": str(data), "RW": True})
    manifest = backup.pack(as_host(here), settings(here))
    assert str(data.resolve() / "documents") in packed_files(here, manifest)
    (data / "documents").write_text("written later\n")
    assert restore._put_back(None, as_host(here), settings(here), manifest.name)  # type: ignore[arg-type]
    assert inside.is_symlink()
    assert (data / "documents").read_text() == "a row\n"


def refused(here: LocalHost, why: str, *, leave_stopped: bool = False) -> None:
    """A backup is refused before anything is stopped, and leaves nothing."""
    with pytest.raises(StepError, match=why):
        backup.pack(as_host(here), settings(here), leave_stopped=leave_stopped)
    assert here.running == ["dify-api:1.15.0"]
    assert not any("stop" in call.split() for call in here.calls)
    assert not list((here.folder / "backups").glob("*"))


def test_a_folder_that_is_a_link_is_refused(here: LocalHost) -> None:
    (here.folder / "dify").rename(here.folder / "data")
    (here.folder / "dify").symlink_to(here.folder / "data")
    refused(here, f"dify is a link: set dify.folder to where it leads, {here.folder}/data")


@pytest.mark.usefixtures("under_tmp")
def test_what_is_mounted_and_not_there_is_refused(here: LocalHost) -> None:
    """Such as behind a link to a disk that is not mounted now."""
    (here.folder / "dify/docker/volumes/weaviate").symlink_to("/no/such disk/weaviate")
    source = f"{here.folder}/dify/docker/volumes/weaviate"
    here.defines(services={"weaviate": {"volumes": [{"type": "bind", "source": source}]}})
    refused(here, "/no/such disk/weaviate, which Dify has mounted, is not there")


@pytest.mark.parametrize(
    ("driver", "options", "place"),
    [("nfs", None, "/"), ("local", {"device": "/data", "o": "bind"}, "/"), ("local", None, "/no/such")],
    ids=["another driver", "options", "of Docker Desktop"],
)
def test_a_volume_that_is_in_no_folder_is_refused(
    here: LocalHost, driver: str, options: dict[str, str] | None, place: str
) -> None:
    volume_of(here, "docker_es")
    kept = {"Driver": driver, "Options": options, "Mountpoint": place}
    (here.docker / "volumes/docker_es/json").write_text(json.dumps(kept))
    here.defines(volumes={"es": {"name": "docker_es"}})
    refused(here, "the volume docker_es is in no folder of this host")


@pytest.mark.parametrize("word", ["config", "inspect"])
def test_mounts_that_cannot_be_known_are_refused(here: LocalHost, word: str) -> None:
    here.fail(word)
    refused(here, "what Dify has mounted cannot be known")


def test_a_project_of_the_same_name_in_another_folder_is_refused(here: LocalHost) -> None:
    other = here.folder / "shop/docker"
    other.mkdir(parents=True)
    (here.docker / "others").write_text(f"shop docker {other}\n")
    refused(here, f"the project docker, and so it does {other}")


def test_a_size_that_is_not_known_is_refused(here: LocalHost) -> None:
    du = here.folder / "bin/du"
    du.write_text("#!/bin/sh\nexit 124\n")
    du.chmod(0o755)
    refused(here, "could not be counted within 15 minutes")


def test_no_room_is_told(here: LocalHost) -> None:
    df = here.folder / "bin/df"
    df.write_text("#!/bin/sh\necho; echo '/dev/vda 10 9 1 90% /'\n")
    df.chmod(0o755)
    refused(here, "set dify.backup.folder to a larger disk")


@pytest.mark.parametrize("at", ["dify", "dify/docker/volumes"])
def test_a_mount_point_can_be_packed_but_an_upgrade_could_not_go_back(here: LocalHost, at: str) -> None:
    findmnt = here.folder / "bin/findmnt"
    findmnt.write_text(f"#!/bin/sh\nprintf '%s\\n' / /proc {here.folder}/dify-data {here.folder}/{at}\n")
    findmnt.chmod(0o755)
    refused(here, f"{here.folder}/{at} is a mount point: that cannot change its place", leave_stopped=True)
    manifest = backup.pack(as_host(here), settings(here))
    assert not restore._put_back(None, as_host(here), settings(here), manifest.name)  # type: ignore[arg-type]
    assert any(f"{at} is a mount point" in line for line in here.said)
    assert here.running == ["dify-api:1.15.0"]


def test_a_link_that_git_would_make_a_folder_is_refused_before_an_upgrade(here: LocalHost) -> None:
    clone = here.folder / "dify"
    (clone / "docker/volumes/sandbox").mkdir()
    (clone / "docker/volumes/sandbox/config.yaml").write_text("")
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    for words in (["init", "-q"], ["add", "docker/volumes/sandbox"], ["commit", "-q", "-m", "1"]):
        subprocess.run(["git", "-C", str(clone), *identity, *words], check=True)
    (clone / "docker/volumes/db").rename(here.folder / "db")
    (clone / "docker/volumes/db").symlink_to(here.folder / "db")
    backup.pack(as_host(here), settings(here), leave_stopped=True)
    (here.docker / "running").write_text("dify-api:1.15.0\n")
    (here.docker / "calls").unlink()
    shutil.rmtree(here.folder / "backups")
    (clone / "docker/volumes").rename(here.folder / "volumes")
    (clone / "docker/volumes").symlink_to(here.folder / "volumes")
    refused(here, "docker/volumes in .* would be a folder again with another release", leave_stopped=True)


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


def test_a_damaged_file_is_not_taken_for_a_copy(here: LocalHost, tmp_path: Path) -> None:
    name = backup.pack(as_host(here), settings(here)).name
    with (tmp_path / "backups" / name / "installation.tar.gz").open("ab") as file:
        file.write(b"x")
    assert not backup._fetch(None, as_host(here), settings(here), str(tmp_path / "here"))  # type: ignore[arg-type]
    assert not list((tmp_path / "here").rglob("manifest.json"))
    assert any("arrived with another SHA-256" in line for line in here.said)
