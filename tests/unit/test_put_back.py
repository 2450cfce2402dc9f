"""The program that puts a backup back, run here: in folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import pytest
from local_host import LocalHost, as_host, settings

from provision.domain.backup import Manifest
from provision.operations import backup
from provision.operations.steps import StepError, program, run


def put_back(here: LocalHost, manifest: Manifest) -> None:
    words = [word for part in manifest.parts for word in (part.file, part.member, part.source)]
    folder = f"{here.folder}/backups/{manifest.name}"
    for step, containers in (("unpack", ""), ("exchange", " ".join(here.running))):
        run(as_host(here), program("put_back.sh", step, folder, containers, *words), step)


def test_a_container_that_cannot_be_stopped_leaves_everything_in_its_place(here: LocalHost) -> None:
    manifest = backup.pack(as_host(here), settings(here))
    here.fail("rm")
    with pytest.raises(StepError, match=r"container dify-api:1\.15\.0 cannot be removed"):
        put_back(here, manifest)
    assert not list(here.folder.glob("dify.*"))


def test_a_container_that_is_gone_by_itself_is_no_reason_to_fail(here: LocalHost) -> None:
    manifest = backup.pack(as_host(here), settings(here))
    here.fail("stop")
    put_back(here, manifest)
    assert not here.running


@pytest.mark.parametrize("tool", ["tar", "mv"])
def test_a_failure_leaves_nothing_that_fills_the_disk(here: LocalHost, tool: str) -> None:
    """Amid unpacking, and amid the exchange."""
    manifest = backup.pack(as_host(here), settings(here))
    failing = here.folder / "bin" / tool
    counted = here.folder / "counted"
    failing.write_text(
        f'#!/bin/sh\necho >>{counted}; [ "$(wc -l <{counted})" != 2 ] || exit 2; exec /bin/{tool} "$@"\n'
    )
    failing.chmod(0o755)
    with pytest.raises(StepError):
        put_back(here, manifest)
    failing.unlink()
    assert not list(here.folder.rglob("*.restored"))
    put_back(here, manifest)
    assert (here.folder / "dify/docker/volumes/db/data/documents").read_text() == "a row\n"
    assert (here.folder / "etc/secrets/admin-password").read_text() == "canary\n"
