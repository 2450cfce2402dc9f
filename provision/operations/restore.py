"""A backup, put back: onto the host that it is of, or onto another one."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from pyinfra import host, state
from pyinfra.api import FunctionCommand, Host, QuoteString, State, StringCommand, operation
from pyinfra.facts.files import Directory

from provision import keeper
from provision.domain import compose
from provision.domain.adoption import as_published
from provision.domain.backup import GB, Manifest, in_no_folder, place_of
from provision.domain.deployment import Deployment
from provision.domain.room import Need
from provision.domain.settings import DifySettings
from provision.domain.unfinished import Unfinished
from provision.facts.backup import Backups, VolumePlace
from provision.facts.containers import ComposeStack
from provision.facts.docker import NginxVariables
from provision.operations.backup import manifest_of, tell_missing
from provision.operations.backup_parts import require_movable, require_no_link
from provision.operations.bringing import bring, copied, sha256
from provision.operations.dify import meet_again, ready
from provision.operations.dify_containers import PULL, own, started
from provision.operations.dify_stack import compose_dir, project
from provision.operations.failing import failure
from provision.operations.release import clear_away
from provision.operations.room import REPLACED, RESTORED, require_room
from provision.operations.steps import LOST, StepError, fail, program, run, run_visibly
from provision.operations.unfinished import forget, note, noted

STEP = "Restore Dify"

Commands = Generator[StringCommand | FunctionCommand, None, None]


@operation()
def put_back(*, dify: DifySettings, backup: str | None) -> Commands:
    """Have the installation be that of a backup, with its data and our secrets, and start it.

    It takes the place of whatever else is unfinished: a restore is the way out of everything.

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
        name = _name(backup)
    except StepError as error:
        yield failure(STEP, str(error), advice="Then run again")
        return
    if begun and not _is_of(begun, name):
        host.log(f"{begun}; this restore takes its place")
    yield FunctionCommand(_put_back, (dify, backup), {})


@operation()
def answering(*, deployment: Deployment) -> Commands:
    """Wait until the restored Dify answers, on the port that its own ``.env`` publishes.

    Args:
        deployment: as the settings say; a backup may be older than they are.
    """
    if state.is_executing:
        variables = host.get_fact(NginxVariables, folder=compose_dir(deployment.dify))
        deployment = as_published(deployment, variables)
        meet_again()
    yield from ready._inner(settings=deployment.dify)


@operation()
def finished(*, dify: DifySettings) -> Commands:
    """Note that nothing is unfinished any more: the restored Dify answers.

    Args:
        dify: beside it may lie what an upgrade, whose place was taken, had made ready.
    """
    yield FunctionCommand(_finish, (dify,), {})


def _is_of(begun: Unfinished, name: str) -> bool:
    return (begun.doing, begun.backup) == ("restore", name)


def _name(backup: str) -> str:
    """What a backup is called on the host; a copy's folder may have been renamed.

    Raises:
        StepError: it is a folder here, and no backup.
    """
    here = Path(backup).expanduser()
    return copied(here).name if here.is_dir() else here.name


def _put_back(state: State, host: Host, dify: DifySettings, backup: str) -> bool:
    del state
    folder = dify.backup.folder
    try:
        require_no_link(host, dify)
        if (here := Path(backup).expanduser()).is_dir():
            bring(host, here, folder)
        manifest = manifest_of(host, folder, _name(backup))
        begun = noted(host)
        if begun and _is_of(begun, manifest.name) and begun.phase == "proving":
            host.log(f"{manifest.name} is in its place already")
        else:
            wanted = Unfinished("restore", "putting back", "", manifest.version, manifest.name)
            exchange(host, dify, manifest, wanted, begun.backup if begun and begun.exchanging else "")
        start(host, dify)
        if host.get_fact(Directory, path=f"{dify.folder}{REPLACED}"):
            host.log(kept(dify))
    except StepError as error:
        return fail(host, f"{STEP}: {error}")
    except LOST as error:
        return fail(host, f"{STEP}: the connection is gone ({error}). Run again: it goes on")
    return True


def _finish(state: State, host: Host, dify: DifySettings) -> bool:
    del state
    try:
        clear_away(host, dify)
        forget(host)
    except StepError as error:
        return fail(host, str(error))
    return True


def exchange(
    host: Host, dify: DifySettings, manifest: Manifest, unfinished: Unfinished, cut: str
) -> Unfinished:
    """Put a backup's parts in their places; what was there is kept beside them. Dify is stopped then.

    Nothing is noted, discarded or stopped before the backup was found whole and its room free.

    Args:
        unfinished: what is noted meanwhile.
        cut: the backup whose exchange was begun before and not finished; what that has put aside stays what
            is kept. Empty for none.

    Returns:
        What is noted then: the proof is left.

    Raises:
        StepError: it could not be done; may be called again.
    """
    tell_missing(host, manifest.missing, "see to it yourself")
    places = _places(host, dify, manifest)
    require_movable(host, places)
    aside, remedy = [RESTORED, REPLACED], "on a host without a Dify set dify.folder to a larger disk"
    if cut:
        aside, remedy = [RESTORED], f"remove {dify.folder}{REPLACED}, if nobody misses what was there before"
    require_room(
        host,
        [
            Need("what the backup holds", place, part.unpacked, tuple(place + ending for ending in aside))
            for part, place in zip(manifest.parts, places, strict=True)
        ],
        remedy,
    )
    for number, part in enumerate(manifest.parts, 1):
        host.log(f"checking {part.file} ({number} of {len(manifest.parts)}), {part.size / GB:.2f} GB")
        path = f"{dify.backup.folder}/{manifest.name}/{part.file}"
        if sha256(host, path) != part.sha256:
            raise StepError(f"{path} is missing, or damaged: its SHA-256 is not the manifest's")
    put_aside = _places_of(host, dify, cut, places) if cut else []
    old = [f"{place}{REPLACED}" for place in places if place not in put_aside]
    old += [f"{place}{RESTORED}" for place in put_aside if place not in places]
    run(host, StringCommand("rm -rf", *map(QuoteString, old)), "removing what was replaced before")
    own(host, dify)  # while nothing has been unpacked
    note(host, unfinished)
    words = [
        word
        for part, place in zip(manifest.parts, places, strict=True)
        for word in (part.file, part.member, place)
    ]
    backup = f"{dify.backup.folder}/{manifest.name}"
    run_visibly(host, program("put_back.sh", "unpack", backup, "", *words), "unpacking")
    containers = " ".join(own(host, dify))
    run_visibly(host, program("put_back.sh", "exchange", backup, containers, *words), "putting back")
    keeper.forget()
    return note(host, replace(unfinished, phase="proving"))


def kept(dify: DifySettings) -> str:
    """Where what was there before an exchange is."""
    return (
        f"What was there before is kept as {dify.folder}{REPLACED} until the next restore, or the next "
        "upgrade that goes back; remove it when nobody misses anything"
    )


def _places(host: Host, dify: DifySettings, manifest: Manifest) -> list[str]:
    """Where each part belongs: on another host its folder or Docker's may be another one."""
    owner = manifest.project or project(host, dify)
    return [place_of(part, dify.folder) or _volume(host, part.volume, owner) for part in manifest.parts]


def _places_of(host: Host, dify: DifySettings, backup: str, unknown: list[str]) -> list[str]:
    """Where the parts of another backup belong.

    Args:
        unknown: what is answered when that backup is not there any more.
    """
    try:
        return _places(host, dify, manifest_of(host, dify.backup.folder, backup))
    except StepError:
        return unknown


def _volume(host: Host, name: str, owner: str) -> str:
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
    raise StepError(in_no_folder(name))


def start(host: Host, dify: DifySettings) -> None:
    """Start the installation as it is, pulling images that are missing.

    Without ``--remove-orphans``: a project of the same name in another folder would lose its containers.

    Raises:
        StepError: an image is not to be had, or compose fails.
    """
    inside = StringCommand("cd", QuoteString(compose_dir(dify)), "&&")
    run_visibly(host, StringCommand(inside, PULL), "pulling images")
    run_visibly(host, StringCommand(inside, started()), "starting containers")
    stack = host.get_fact(ComposeStack, folder=compose_dir(dify), project=project(host, dify), port=dify.port)
    if compose.nginx_is_stale(stack.containers, stack.door):
        run(host, StringCommand(inside, "docker compose restart nginx"), "restarting nginx")
