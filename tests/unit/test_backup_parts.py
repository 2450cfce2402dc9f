"""What a backup made here is of, and when it is refused: folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from local_host import LocalHost, as_host, settings

from provision.domain import backup as domain
from provision.operations import backup, restore, room
from provision.operations.steps import StepError


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


@pytest.mark.usefixtures("under_tmp")
def test_what_is_not_in_a_backup_is_told_by_each_and_by_its_manifest(here: LocalHost) -> None:
    """Of what Dify's services are given, not of what a file says; and no account is shown."""
    models, cache = here.folder / "models", here.folder / "cache"
    for folder in (models, cache):
        folder.mkdir()
    binds = [
        {"type": "bind", "source": str(models), "read_only": True},
        {"type": "bind", "source": str(cache)},
    ]
    environment = {
        "DB_HOST": "pg.corp", "DB_PASSWORD": "canary", "VECTOR_STORE": "qdrant",
        "QDRANT_URL": "https://me:canary@qdrant.corp:6333?key=canary", "STORAGE_TYPE": "s3",
        "S3_ENDPOINT": "http://store:9000", "OPENDAL_SCHEME": None,
    }  # fmt: skip
    here.defines(
        services={
            "api": {"environment": environment, "volumes": binds},
            "plugin_daemon": {"environment": {"S3_ENDPOINT": "", "PLUGIN_STORAGE_TYPE": "aws_s3"}},
            "minio": {"networks": {"default": {"aliases": ["store"]}, "other": None}},
        }
    )
    dify = settings(here)
    dify = dify.model_copy(update={"backup": dify.backup.model_copy(update={"leave_out": [str(cache)]})})
    manifest = backup.pack(as_host(here), dify)
    assert list(manifest.missing) == [
        "the database on pg.corp", "the vectors in qdrant on qdrant.corp:6333", "plugins in aws_s3",
        f"{cache} (in dify.backup.leave_out)", f"{models} (mounted read-only)",
    ]  # fmt: skip
    assert [part.name for part in manifest.parts] == ["installation", "secrets"]
    for what in manifest.missing:
        assert here.said.count(f"not in the backup: {what}; keep a copy yourself") == 1
    assert not any("canary" in line for line in here.said)
    assert restore._put_back(None, as_host(here), dify, manifest.name)  # type: ignore[arg-type]
    assert "not in the backup: the database on pg.corp; see to it yourself" in here.said


def test_what_need_not_be_left_out_is_told(here: LocalHost, said: pytest.LogCaptureFixture) -> None:
    """Its service was dropped since, perhaps; the nightly backup goes on."""
    dify = settings(here)
    dify = dify.model_copy(update={"backup": dify.backup.model_copy(update={"leave_out": ["es"]})})
    assert backup.pack(as_host(here), dify)
    assert "leave_out names es, which is not packed by itself anyway" in said.text


def test_a_dify_without_its_env_is_not_backed_up(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or older backups would give way to one that is worth nothing."""
    (here.folder / "dify/docker/.env").write_text("\n")
    monkeypatch.setattr(backup, "host", here)
    [command] = backup.taken._inner(dify=settings(here))
    assert "dify/docker/.env, or nothing in it" in command.get_raw_value()


@pytest.mark.parametrize("name", [".env", "docker-compose.override.yaml"])
def test_settings_behind_a_link_are_refused(
    here: LocalHost, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which the link alone would be packed. What is said to do mends it."""
    path, target = here.folder / "dify/docker" / name, here.folder / "shared" / name
    target.parent.mkdir()
    target.write_text("DB_PASSWORD=canary\n")
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    refused(here, f"{name} is a link to {target}, of which a backup would keep the link only: put the file")
    monkeypatch.setattr(backup, "host", here)
    [command] = backup.taken._inner(dify=settings(here))
    assert f"is a link to {target}" in command.get_raw_value()
    with pytest.raises(StepError, match="is a link to"):
        room.require_way_back(as_host(here), settings(here))
    words = command.get_raw_value().partition("(cp ")[2].partition("), ")[0]
    subprocess.run(["sh", "-c", f"cp {words}"], check=True)
    assert not path.is_symlink()
    assert backup.pack(as_host(here), settings(here))
