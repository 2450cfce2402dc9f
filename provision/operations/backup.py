"""Backups of Dify: taken, thinned out, fetched."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Generator
from datetime import UTC, datetime
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, Host, QuoteString, State, StringCommand, operation
from pyinfra.facts.files import File

from provision.domain.backup import (
    GB,
    MANIFEST,
    Manifest,
    Packed,
    expired,
    name_of,
    no_room,
    parts,
    read_manifest,
)
from provision.domain.settings import DifySettings
from provision.facts.backup import Backups, PackedParts, ProjectImages, ProjectMounts
from provision.facts.git import CheckedOutTag
from provision.facts.hardware import FolderSizes, FreeSpace
from provision.operations.dify_stack import compose_dir, project
from provision.operations.failing import failure
from provision.operations.steps import LOST, StepError, fail, program, put_text, run, run_visibly
from provision.remote_file import read

STEP = "Back up Dify"
STAGED = ".new"  # in the folder of the backups; renamed when it is complete

Commands = Generator[StringCommand | FunctionCommand, None, None]


@operation()
def taken(*, dify: DifySettings) -> Commands:
    """Stop Dify, pack what belongs to a backup, start Dify again.

    Args:
        dify: the installation, and where its backups go.
    """
    if not host.get_fact(File, path=f"{compose_dir(dify)}/.env"):
        yield failure(STEP, f"there is no {compose_dir(dify)}/.env", advice="Is dify.folder right?")
        return
    if problem := next(_problems(host, dify), None):
        yield failure(STEP, problem, advice="Nothing was stopped")
        return
    yield FunctionCommand(_take, (dify,), {})


def _problems(host: Host, dify: DifySettings) -> Generator[str, None, None]:
    """What speaks against a backup; nothing has been stopped yet."""
    mounts = host.get_fact(ProjectMounts, project=project(host, dify))
    wanted = parts(dify.folder, mounts)
    space = host.get_fact(FreeSpace, path=dify.backup.folder)
    if space:
        size = host.get_fact(FolderSizes, folders=[part.source for part in wanted])
        yield from no_room(size, space.free, space.mount, "set dify.backup.folder to a larger disk")


def _take(state: State, host: Host, dify: DifySettings) -> bool:
    del state
    try:
        manifest = pack(host, dify)
    except StepError as error:
        return fail(host, f"{STEP}: {error}. Dify runs again, unless the lines above say otherwise")
    except LOST as error:
        return fail(host, f"{STEP}: the connection is gone ({error}). The host goes on by itself; run again")
    logger.info(
        f"{host.print_prefix}backup {manifest.name}: {manifest.size / GB:.2f} GB in {dify.backup.folder}; "
        f"Dify was stopped for {manifest.downtime} s"
    )
    return True


def pack(host: Host, dify: DifySettings, *, leave_stopped: bool = False) -> Manifest:
    """Make a backup now.

    Args:
        dify: the installation, and where its backups go.
        leave_stopped: Dify is not started again, unless something fails.

    Raises:
        StepError: it could not be made; an incomplete one is no backup.
    """
    for problem in _problems(host, dify):
        raise StepError(problem)
    mounts = host.get_fact(ProjectMounts, project=project(host, dify))
    wanted = parts(dify.folder, mounts)
    version = host.get_fact(CheckedOutTag, path=dify.folder)
    images = host.get_fact(ProjectImages, project=project(host, dify))
    folder, staged = dify.backup.folder, f"{dify.backup.folder}/{STAGED}"
    run(host, StringCommand("install -d -m 700", QuoteString(folder)), f"making {folder}")
    run_visibly(
        host,
        program(
            "backup.sh", staged, compose_dir(dify), "leave" if leave_stopped else "start",
            *(word for part in wanted for word in (part.name, part.source)),
        ),
        "backing up",
    )  # fmt: skip
    found = host.get_fact(PackedParts, folder=staged)
    packed = [
        Packed(part.name, part.source, part.volume, *found.files[part.name])
        for part in wanted
        if part.name in found.files
    ]
    if found.downtime is None or not packed or packed[0].source != dify.folder:
        raise StepError(f"{staged} is not what was to be packed")
    name = _new_name(host, folder, version)
    manifest = Manifest(name, version, found.downtime, images, packed)
    put_text(host, manifest.text(), f"{staged}/{MANIFEST}")
    place = StringCommand(QuoteString(staged), QuoteString(f"{folder}/{name}"))
    run(
        host,
        StringCommand("rm", QuoteString(f"{staged}/packed"), "&& mv -T", place, "&& sync"),
        "naming the backup",
    )
    return manifest


def _new_name(host: Host, folder: str, version: str) -> str:
    """A name that no backup has yet: names tell seconds, and a run may follow a killed one within one."""
    names = host.get_fact(Backups, folder=folder)
    while (name := name_of(datetime.now(UTC), version)) in names:
        time.sleep(0.2)
    return name


def manifest_of(host: Host, folder: str, name: str) -> Manifest:
    """The manifest of a backup on a host.

    Raises:
        StepError: there is no such backup, or it is not whole.
    """
    try:
        text = read(host, f"{folder}/{name}/{MANIFEST}")
        if text is None:
            known = host.get_fact(Backups, folder=folder)
            raise StepError(f"{folder} has no backup {name}; it has {', '.join(known) or 'none'}")
        return read_manifest(text)
    except (OSError, ValueError) as error:
        raise StepError(f"backup {name}: {error}") from None


@operation()
def thinned_out(*, dify: DifySettings, needed: Collection[str] = ()) -> Commands:
    """Remove the oldest backups, so that as many stay as the settings say.

    Args:
        dify: where the backups are, and how many stay.
        needed: names of those that stay whatever their age.
    """
    folder = dify.backup.folder
    names = host.get_fact(Backups, folder=folder)
    gone = expired(names, dify.backup.keep, needed)
    if not gone:
        host.noop(f"no more than {dify.backup.keep} backups")
        return
    for name in gone:
        host.log(f"removing {name}")
        # The manifest first: what is half removed is no backup.
        yield StringCommand(
            "rm -f", QuoteString(f"{folder}/{name}/{MANIFEST}"), "&& rm -rf", QuoteString(f"{folder}/{name}")
        )


@operation()
def fetched(*, dify: DifySettings, to: str) -> Commands:
    """Have a copy of the newest backup on the control machine, readable by its owner only.

    Args:
        dify: where the backups are.
        to: a folder here; each host and each backup has one of its own in it.
    """
    names = host.get_fact(Backups, folder=dify.backup.folder)
    if not names:
        host.log("the first backup will be fetched")
    elif (Path(to).expanduser() / host.name.replace("/", "-") / names[-1] / MANIFEST).exists():
        host.noop(f"{names[-1]} is here")
        return
    yield FunctionCommand(_fetch, (dify, to), {})


def _fetch(state: State, host: Host, dify: DifySettings, to: str) -> bool:
    del state
    try:
        name = host.get_fact(Backups, folder=dify.backup.folder)[-1]
        manifest = manifest_of(host, dify.backup.folder, name)
        target = Path(to).expanduser() / host.name.replace("/", "-") / name
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, part in enumerate(manifest.parts, 1):
            host.log(f"fetching {part.file} ({number} of {len(manifest.parts)}), {part.size / GB:.2f} GB")
            _fetch_file(host, f"{dify.backup.folder}/{name}/{part.file}", target / part.file, part.sha256)
        (target / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    except StepError as error:
        return fail(host, f"Fetch the backup: {error}")
    except LOST as error:
        return fail(host, f"Fetch the backup: {error}. Look at the disk here and the connection; run again")
    logger.info(f"{host.print_prefix}{name} is here in {target}; it holds secrets and everybody's documents")
    return True


def _fetch_file(host: Host, path: str, target: Path, sha256: str) -> None:
    if target.exists() and digest(target) == sha256:
        return
    unfinished = target.with_name(f"{target.name}.part")
    with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
        if not host.get_file(path, file):
            raise StepError(f"{path} cannot be read")
    if digest(unfinished) != sha256:
        raise StepError(f"{path} arrived with another SHA-256 than the manifest's")
    unfinished.rename(target)


def digest(path: Path) -> str:
    """The SHA-256 of a file here."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
