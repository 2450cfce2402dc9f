"""A backup, put back: onto the host that it is of, or onto another one."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import FunctionCommand, Host, QuoteString, State, StringCommand, operation
from pyinfra.facts.files import Directory

from provision.domain.backup import (
    GB,
    MANIFEST,
    Manifest,
    no_room,
    place_of,
    read_manifest,
)
from provision.domain.settings import DifySettings
from provision.domain.unfinished import Unfinished
from provision.facts.backup import Backups, VolumePlace
from provision.facts.hardware import FreeSpace
from provision.operations.backup import digest, manifest_of
from provision.operations.backup_parts import require_movable
from provision.operations.dify_stack import compose_dir, project
from provision.operations.failing import failure
from provision.operations.steps import LOST, StepError, fail, program, run, run_visibly
from provision.operations.unfinished import forget, note, noted

STEP = "Restore Dify"
REPLACED = ".replaced"

Commands = Generator[StringCommand | FunctionCommand, None, None]


@operation()
def put_back(*, dify: DifySettings, backup: str | None) -> Commands:
    """Have the installation be that of a backup, with its data and our secrets, and start it.

    Args:
        dify: where the installation is and its backups are.
        backup: a backup's name on the host, or a folder on the control machine that one was fetched to.
    """
    if not backup:
        names = host.get_fact(Backups, folder=dify.backup.folder)
        yield failure(
            STEP,
            f"which backup? {host.name} has {', '.join(names) or 'none'}",
            advice="Say --data backup=NAME",
        )
        return
    try:
        begun = noted(host)
    except StepError as error:
        yield failure(STEP, str(error), advice="Then run again")
        return
    if begun and (begun.doing != "restore" or begun.backup != Path(backup).name):
        yield failure(STEP, str(begun), advice=f"First {begun.what_to_do()}")
        return
    yield FunctionCommand(_put_back, (dify, backup), {})


@operation()
def finished() -> Commands:
    """Note that nothing is unfinished any more: the restored Dify answers."""
    yield FunctionCommand(_finish, (), {})


def _put_back(state: State, host: Host, dify: DifySettings, backup: str) -> bool:
    del state
    folder = dify.backup.folder
    try:
        if (here := Path(backup).expanduser()).is_dir():
            bring(host, here, folder)
        manifest = manifest_of(host, folder, Path(backup).name)
        if not noted(host):
            discard(host, dify, manifest)
            note(host, Unfinished("restore", "putting back", "", manifest.version, manifest.name))
        restore(host, dify, manifest)
        start(host, dify)
        if host.get_fact(Directory, path=f"{dify.folder}{REPLACED}"):
            host.log(f"what was there before is kept as {dify.folder}{REPLACED}, until the next restore")
    except StepError as error:
        return fail(host, f"{STEP}: {error}")
    except LOST as error:
        return fail(host, f"{STEP}: the connection is gone ({error}). Run again: it goes on")
    return True


def _finish(state: State, host: Host) -> bool:
    del state
    try:
        forget(host)
    except StepError as error:
        return fail(host, str(error))
    return True


def bring(host: Host, here: Path, folder: str) -> None:
    """Have a backup that was fetched lie on the host; what arrived before is not sent again.

    Args:
        here: the backup's folder on this machine.
        folder: of the backups on the host.

    Raises:
        StepError: it is no whole backup, or cannot be written there.
    """
    try:
        manifest = read_manifest((here / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StepError(f"{here} is no backup: {error}") from None
    if manifest.name in host.get_fact(Backups, folder=folder):
        return
    staged, target = f"{folder}/.coming-{manifest.name}", f"{folder}/{manifest.name}"
    run(
        host, StringCommand("install -d -m 700", QuoteString(folder), QuoteString(staged)), f"making {folder}"
    )
    for number, part in enumerate(manifest.parts, 1):
        if not (here / part.file).exists() or digest(here / part.file) != part.sha256:
            raise StepError(f"{here / part.file} is missing, or damaged: its SHA-256 is not the manifest's")
        there = f"{staged}/{part.file}"
        arrived = StringCommand("sha256sum", QuoteString(there), "2>/dev/null | cut -d' ' -f1; true")
        if run(host, arrived, f"looking for {there}") == [part.sha256]:
            continue
        host.log(f"sending {part.file} ({number} of {len(manifest.parts)}), {part.size / GB:.2f} GB")
        run(host, StringCommand("umask 077; : >", QuoteString(there)), f"making {there}")
        if not host.put_file(str(here / part.file), there):
            raise StepError(f"{there} cannot be written")
    if not host.put_file(str(here / MANIFEST), f"{staged}/{MANIFEST}"):
        raise StepError(f"{staged}/{MANIFEST} cannot be written")
    run(host, StringCommand("mv -T", QuoteString(staged), QuoteString(target)), f"naming {target}")


def restore(host: Host, dify: DifySettings, manifest: Manifest) -> None:
    """Put a backup's parts in their places; what was there is kept beside them. Dify is stopped then.

    Raises:
        StepError: it could not be done; may be called again.
    """
    space = host.get_fact(FreeSpace, path=dify.folder)
    if space:
        for problem in no_room(
            manifest.unpacked, space.free, space.mount, "set dify.folder to a larger disk"
        ):
            raise StepError(problem)
    places = _places(host, dify, manifest)
    require_movable(host, places)
    words = (
        word
        for part, place in zip(manifest.parts, places, strict=True)
        for word in (part.file, part.sha256, part.member, place)
    )
    backup = f"{dify.backup.folder}/{manifest.name}"
    where = (project(host, dify), compose_dir(dify))
    run_visibly(host, program("put_back.sh", backup, *where, *words), "putting back")


def discard(host: Host, dify: DifySettings, manifest: Manifest) -> None:
    """Remove what a restore has replaced.

    Raises:
        StepError: it could not be removed.
    """
    old = [QuoteString(f"{place}{REPLACED}") for place in _places(host, dify, manifest)]
    run(host, StringCommand("rm -rf", *old), "removing what was replaced before")


def _places(host: Host, dify: DifySettings, manifest: Manifest) -> list[str]:
    """Where each part belongs: on another host its folder or Docker's may be another one."""
    return [place_of(part, dify.folder) or _volume(host, dify, part.volume) for part in manifest.parts]


def _volume(host: Host, dify: DifySettings, name: str) -> str:
    owner = project(host, dify)
    short = name.removeprefix(f"{owner}_")
    labels = [f"com.docker.compose.project={owner}", f"com.docker.compose.volume={short}"]
    words = [word for label in labels for word in ("--label", label)]
    run(
        host,
        StringCommand("docker volume create", *map(QuoteString, [*words, name])),
        f"making volume {name}",
    )
    if place := host.get_fact(VolumePlace, volume=name):
        return place
    raise StepError(f"Docker does not say where it keeps the volume {name}")


def start(host: Host, dify: DifySettings) -> None:
    """Start the installation as it is, pulling images that are missing.

    Raises:
        StepError: an image is not to be had, or compose fails.
    """
    inside = StringCommand("cd", QuoteString(compose_dir(dify)), "&&")
    run_visibly(host, StringCommand(inside, "docker compose pull --quiet --policy missing"), "pulling images")
    up = "docker compose --progress quiet up --detach --remove-orphans"
    run_visibly(host, StringCommand(inside, up), "starting containers")
