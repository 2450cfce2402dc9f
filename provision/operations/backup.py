"""Backups of Dify: taken, thinned out, fetched."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Generator, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, Host, QuoteString, State, StringCommand, operation
from pyinfra.facts.files import FindDirectories

from provision.domain.backup import (
    GB,
    MANIFEST,
    Contents,
    Manifest,
    Packed,
    expired,
    is_name,
    name_of,
    read_manifest,
)
from provision.domain.dotenv import unless_blank
from provision.domain.settings import DifySettings
from provision.facts.backup import Backups, PackedParts
from provision.facts.git import CheckedOutTag
from provision.operations.backup_parts import examined, require_changeable, require_own_files
from provision.operations.dify_stack import compose_dir, project
from provision.operations.failing import failure
from provision.operations.steps import LOST, StepError, copied_here, fail, program, put_text, run, run_visibly
from provision.remote_file import read, read_bytes

STEP = "Back up Dify"
STAGED = ".new"  # in the folder of the backups; renamed when it is complete
REMOVING = ".removing-"  # before the name of what is no backup any more, until all of it is removed

Commands = Generator[StringCommand | FunctionCommand, None, None]


@operation()
def taken(*, dify: DifySettings) -> Commands:
    """Stop Dify, pack what belongs to a backup, start Dify again.

    Args:
        dify: the installation, and where its backups go.
    """
    try:
        require_own_files(host, dify)
        env = f"{compose_dir(dify)}/.env"
        if unless_blank(read_bytes(host, env)) is None:
            yield failure(STEP, f"there is no {env}, or nothing in it", advice="Is dify.folder right?")
            return
        examined(host, dify)
    except (StepError, OSError) as error:
        yield failure(STEP, str(error), advice="Nothing was stopped")
        return
    yield FunctionCommand(_take, (dify,), {})


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
        leave_stopped: Dify is not started again, unless something fails; another release takes its place.

    Raises:
        StepError: it could not be made; an incomplete one is no backup.
    """
    contents, sizes = examined(host, dify)
    wanted = contents.parts
    if leave_stopped:
        require_changeable(host, dify, wanted)
    tell_missing(host, contents.missing, "keep a copy yourself")
    version = host.get_fact(CheckedOutTag, path=dify.folder)
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
    try:
        return _named(host, dify, contents, sizes, version)
    except StepError:
        run(host, StringCommand("rm -rf", QuoteString(staged)), f"removing {staged}")
        raise


def tell_missing(host: Host, missing: Iterable[str], advice: str) -> None:
    """Say what a backup does not hold of what Dify uses, and what to do about it."""
    for what in missing:
        host.log(f"not in the backup: {what}; {advice}")


def _named(
    host: Host, dify: DifySettings, contents: Contents, sizes: Mapping[str, int], version: str
) -> Manifest:
    """Make a backup of what was packed: with its manifest, and its name."""
    wanted = contents.parts
    folder, staged = dify.backup.folder, f"{dify.backup.folder}/{STAGED}"
    found = host.get_fact(PackedParts, folder=staged)
    if found.downtime is None or found.files.keys() != {part.name for part in wanted}:
        raise StepError(f"{staged} is not what was to be packed")
    packed = [
        Packed(part.name, part.source, part.volume, *found.files[part.name], sizes[part.source])
        for part in wanted
    ]
    name = _new_name(host, folder, version)
    manifest = Manifest(name, version, found.downtime, packed, project(host, dify), tuple(contents.missing))
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
def thinned_out(*, dify: DifySettings) -> Commands:
    """Remove the oldest backups, so that as many stay as the settings say.

    Args:
        dify: where the backups are, and how many stay.
    """
    folder = dify.backup.folder
    names = host.get_fact(Backups, folder=folder)
    gone = expired(names, dify.backup.keep)
    if not gone and not host.get_fact(FindDirectories, path=folder, maxdepth=1, fname=f"{REMOVING}*"):
        host.noop(f"no more than {dify.backup.keep} backups")
        return
    for name in gone:
        host.log(f"removing {name}")
        # Renamed first: what is half removed is no backup, and is removed by the next run.
        yield StringCommand(
            "mv -T", QuoteString(f"{folder}/{name}"), QuoteString(f"{folder}/{REMOVING}{name}")
        )
    yield StringCommand(
        "find", QuoteString(folder), f"-mindepth 1 -maxdepth 1 -name '{REMOVING}*' -exec rm -rf {{}} +"
    )


@operation()
def fetched(*, dify: DifySettings, to: str) -> Commands:
    """Have a copy of the newest backup on the control machine, readable by its owner only.

    Of the copies of a host as many of the newest stay as on the host.

    Args:
        dify: where the backups are, and how many stay.
        to: a folder here; each host and each backup has one of its own in it.
    """
    names = host.get_fact(Backups, folder=dify.backup.folder)
    if not names:
        host.log("the first backup will be fetched")
    elif (_copies(host, to) / names[-1] / MANIFEST).exists():
        host.noop(f"{names[-1]} is here")
        return
    yield FunctionCommand(_fetch, (dify, to), {})


def _copies(host: Host, to: str) -> Path:
    """The folder of a host's copies here."""
    return Path(to).expanduser() / host.name.replace("/", "-")


def _fetch(state: State, host: Host, dify: DifySettings, to: str) -> bool:
    del state
    try:
        name = host.get_fact(Backups, folder=dify.backup.folder)[-1]
        manifest = manifest_of(host, dify.backup.folder, name)
        target = _copies(host, to) / name
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, part in enumerate(manifest.parts, 1):
            host.log(f"fetching {part.file} ({number} of {len(manifest.parts)}), {part.size / GB:.2f} GB")
            _fetch_file(host, f"{dify.backup.folder}/{name}/{part.file}", target / part.file, part.sha256)
        (target / MANIFEST).write_text(manifest.text(), encoding="utf-8")
        _thin_out_copies(host, target.parent, dify.backup.keep)
    except StepError as error:
        return fail(host, f"Fetch the backup: {error}")
    except LOST as error:
        return fail(host, f"Fetch the backup: {error}. Look at the disk here and the connection; run again")
    logger.info(f"{host.print_prefix}{name} is here in {target}; it holds secrets and everybody's documents")
    return True


def _thin_out_copies(host: Host, folder: Path, keep: int) -> None:
    whole = [each.parent.name for each in folder.glob(f"*/{MANIFEST}") if is_name(each.parent.name)]
    for name in expired(whole, keep):
        host.log(f"removing the copy {folder / name}")
        (folder / name).rename(folder / f"{REMOVING}{name}")
    for left in folder.glob(f"{REMOVING}*"):
        shutil.rmtree(left)


def _fetch_file(host: Host, path: str, target: Path, sha256: str) -> None:
    if target.exists() and digest(target) == sha256:
        return
    unfinished = target.with_name(f"{target.name}.part")
    with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
        if not copied_here(host, path, unfinished) and not host.get_file(path, file):
            raise StepError(f"{path} cannot be read")
    if digest(unfinished) != sha256:
        raise StepError(f"{path} arrived with another SHA-256 than the manifest's")
    unfinished.rename(target)


def digest(path: Path) -> str:
    """The SHA-256 of a file here."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
