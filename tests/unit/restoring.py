"""What the tests of restores share."""

from __future__ import annotations

from local_host import LocalHost, as_host, settings

from provision.domain.backup import Manifest
from provision.domain.settings import DifySettings
from provision.operations import backup, restore


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
