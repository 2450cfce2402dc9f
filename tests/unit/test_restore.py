"""Backups put back here: in folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import shutil
import stat
from types import SimpleNamespace
from typing import Any

import pytest
from local_host import LocalHost, as_host, settings
from pyinfra.api import FactBase
from restoring import lived_on, put_back, rows

from provision import keeper
from provision.domain import backup as domain
from provision.domain.deployment import Deployment
from provision.domain.room import Space
from provision.facts.containers import ComposeStack, Container, Stack
from provision.facts.hardware import FolderSizes, FreeSpace
from provision.operations import backup, restore, unfinished
from provision.operations.steps import StepError
from provision.operations.unfinished import noted


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
    assert str(begun) == f"a restore from {manifest.name} is not finished (proving)"
    assert restore._finish(None, as_host(here), settings(here))  # type: ignore[arg-type]
    assert noted(as_host(here)) is None
    assert not any("canary" in line for line in here.said)


def test_volumes_of_a_project_of_another_name_are_its_own_on_a_fresh_host(here: LocalHost) -> None:
    (here.folder / "dify/docker/.env").write_text("COMPOSE_PROJECT_NAME=wissen\n")
    (here.docker / "project").write_text("wissen\n")
    volume = here.folder / "docker-engine/volumes/wissen_es/_data"
    volume.mkdir(parents=True)
    here.mounts({"Type": "volume", "Name": "wissen_es", "Source": str(volume), "RW": True})
    name = backup.pack(as_host(here), settings(here)).name
    for gone in ("dify", "docker-engine/volumes"):
        shutil.rmtree(here.folder / gone)
    for gone in ("containers", "running"):
        (here.docker / gone).unlink()
    assert put_back(here, name), "\n".join(here.said)
    labels = [f"com.docker.compose.{label}" for label in ("project=wissen", "volume=es")]
    assert f"volume create --label {' --label '.join(labels)} wissen_es" in here.calls


def test_secrets_are_read_anew(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(keeper._read, "admin-password", "another")
    assert put_back(here, lived_on(here).name)
    assert keeper._read == {}


def test_containers_of_another_name_in_the_folder_go(here: LocalHost) -> None:
    """They would run on, or be started by Docker again, beside those of the backup and on the same data."""
    name = lived_on(here).name
    (here.docker / "others").write_text(f"stray bot {here.folder}/dify/docker\nwiki bot {here.folder}\n")
    assert put_back(here, name), "\n".join(here.said)
    assert (here.docker / "others").read_text() == f"wiki bot {here.folder}\n"
    assert any(call.startswith("stop ") and call.endswith(" stray") for call in here.calls)


def test_a_project_of_the_same_name_elsewhere_keeps_its_containers(here: LocalHost) -> None:
    name = lived_on(here).name
    (here.folder / "link").symlink_to("dify")
    (here.folder / "shop/docker").mkdir(parents=True)
    others = {"shop": "shop/docker", "linked": "link/docker", "moved": "gone/docker"}
    lines = [f"{container} docker {here.folder}/{folder}\n" for container, folder in others.items()]
    (here.docker / "others").write_text("".join([*lines, f"wiki wiki {here.folder}\n"]))
    assert put_back(here, name), "\n".join(here.said)
    assert [line.split()[0] for line in (here.docker / "others").read_text().splitlines()] == ["shop", "wiki"]
    ups = [call for call in here.calls if " up " in call]
    assert ups
    assert not any("--remove-orphans" in call for call in ups)
    # Nor is a network touched that another's container may be in.
    assert not any(call.startswith("network") for call in here.calls)


def test_a_container_that_was_made_while_it_was_unpacked_is_stopped_too(here: LocalHost) -> None:
    name = lived_on(here).name
    tar = here.folder / "bin/tar"
    tar.write_text(f'#!/bin/sh\necho later >{here.docker}/containers\nexec /bin/tar "$@"\n')
    tar.chmod(0o755)
    assert put_back(here, name), "\n".join(here.said)
    assert "stop --time 30 later" in here.calls


def test_a_docker_that_does_not_answer_leaves_everything_in_its_place(here: LocalHost) -> None:
    manifest = lived_on(here)
    here.fail("ps")
    assert not put_back(here, manifest.name)
    assert any("Docker does not say which containers there are" in line for line in here.said)
    assert rows(here) == "a row\nanother row\n"
    assert not list(here.folder.glob("dify.*"))


@pytest.mark.parametrize("stale", [True, False])
def test_an_nginx_that_knows_old_addresses_is_restarted(here: LocalHost, stale: bool) -> None:
    class Restarted(LocalHost):
        def get_fact(self, fact: type[FactBase[Any]], **arguments: Any) -> Any:
            if fact is not ComposeStack:
                return super().get_fact(fact, **arguments)
            of = {"nginx": 1 if stale else 3, "api": 2}
            return Stack(
                {}, {name: Container("", "running", 0, str(at), "always") for name, at in of.items()}, [502]
            )

    host = Restarted(here.folder)
    host.fail("restart")
    if stale:
        with pytest.raises(StepError, match="restarting nginx: no compose today"):
            restore.start(as_host(host), settings(here))
    else:
        restore.start(as_host(host), settings(here))


@pytest.mark.parametrize(("line", "port"), [("EXPOSE_NGINX_PORT=81\n", 81), ("", 80)])
def test_it_is_awaited_on_the_port_that_it_publishes(
    here: LocalHost, monkeypatch: pytest.MonkeyPatch, line: str, port: int
) -> None:
    """Whatever dify.port says by now."""
    awaited = []
    monkeypatch.setattr(restore, "host", here)
    monkeypatch.setattr(restore, "state", SimpleNamespace(is_executing=True))
    monkeypatch.setattr(restore, "meet_again", lambda: None)
    monkeypatch.setattr(restore.ready, "_inner", lambda settings: awaited.append(settings.port) or iter(()))
    dify = settings(here).model_copy(update={"port": 8085})
    (here.folder / "dify/docker/.env").write_text(line)
    assert list(restore.answering._inner(deployment=Deployment({}, "here", dify, "http://dify:8085"))) == []
    assert awaited == [port]


def test_a_damaged_backup_stops_nothing(here: LocalHost) -> None:
    good = backup.pack(as_host(here), settings(here))
    kept = here.folder / "dify.replaced"
    kept.mkdir()
    manifest = lived_on(here)
    with (here.folder / "backups" / manifest.name / "secrets.tar.gz").open("ab") as file:
        file.write(b"x")
    assert not put_back(here, manifest.name)
    assert any("secrets.tar.gz is missing, or damaged: its SHA-256 is not" in line for line in here.said)
    assert rows(here) == "a row\nanother row\n"
    assert here.running == ["dify-api:1.15.0"]
    # Nor does it stand in the way of another one.
    assert noted(as_host(here)) is None
    assert kept.exists()
    assert put_back(here, good.name)


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
    kept = here.folder / "dify.replaced/docker"
    kept.mkdir(parents=True)
    space = Space(sum(part.unpacked for part in manifest.parts) - 1, "/")
    monkeypatch.setattr(FreeSpace, "process", lambda *_: space)
    monkeypatch.setattr(FolderSizes, "process", lambda *_: 0)
    assert not put_back(here, manifest.name)
    assert any("for what the backup holds); free some, or on a host without" in line for line in here.said)
    assert rows(here) == "a row\nanother row\n"
    assert noted(as_host(here)) is None
    assert kept.exists()
    # One that was begun keeps what it has put aside.
    restore.note(as_host(here), restore.Unfinished("restore", "putting back", "", "", manifest.name))
    assert not put_back(here, manifest.name)
    assert any(f"free some, or remove {here.folder}/dify.replaced" in line for line in here.said)
    assert kept.exists()
    restore.forget(as_host(here))
    # What was kept before makes room.
    monkeypatch.undo()
    monkeypatch.setattr(unfinished, "NOTE", f"{here.folder}/lib/unfinished.json")
    monkeypatch.setattr(domain, "OURS", {"secrets": f"{here.folder}/etc/secrets"})
    monkeypatch.setattr(FreeSpace, "process", lambda *_: space)
    (kept / "large").write_bytes(bytes(10**6))
    assert put_back(here, manifest.name), "\n".join(here.said)


def test_a_volume_that_is_in_no_folder_is_refused(here: LocalHost) -> None:
    """As on Docker Desktop, which names a folder of its own machine."""
    (here.docker / "volumes/docker_es/_data").mkdir(parents=True)
    (here.docker / "volumes/docker_es/json").write_text('{"Mountpoint": "/no/such/_data"}')
    with pytest.raises(StepError, match=r"volume docker_es is in no folder of this host .* Docker Desktop"):
        restore._volume(as_host(here), "docker_es", "docker")


def test_places() -> None:
    part = domain.Part
    assert domain.place_of(part("installation", "/opt/dify"), "/srv/dify") == "/srv/dify"
    assert domain.place_of(part("api-key", "/etc/passwd"), "/srv/dify") == "/etc/dify-vllm-deploy/api-key"
    assert domain.place_of(part("mount-1", "/data"), "/srv/dify") == "/data"
    assert domain.place_of(part("volume-x", "/v", "x"), "/srv/dify") is None
