"""Dify's own files and containers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from pyinfra import host, logger
from pyinfra.api import FileUploadCommand, FunctionCommand, Host, QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory, File, Link

from provision.domain.adoption import OVERRIDE, PLACE, SUBFOLDER
from provision.domain.compose_files import Obstacle, obstacle
from provision.domain.deployment import Deployment
from provision.domain.dify_env import COUNTING, counts_tokens, managed, merged
from provision.domain.dotenv import DotenvError, unless_blank
from provision.domain.env_diff import shown
from provision.domain.env_merge import EnvFolder
from provision.domain.git import GIT
from provision.domain.published_secrets import replaced_at_first, still_published
from provision.domain.secrets import DIFY, INIT_PASSWORD
from provision.domain.settings import DifySettings
from provision.domain.upgrades import pin_differs
from provision.facts.adoption import ComposeFiles, ComposeProject, MadeByHand, RememberedFolder
from provision.facts.dify_env import ExampleEnv, OptionalEnvFiles
from provision.facts.docker import DockerDesktop
from provision.facts.git import CheckedOutTag
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.failing import Problem, failure
from provision.operations.secrets import secret_file
from provision.operations.steps import StepError
from provision.operations.watched import watched
from provision.remote_file import read
from provision.templates import render

Commands = Generator[StringCommand | FileUploadCommand | FunctionCommand, None, None]


STEP = "Write Dify's .env"
LONGEST_CLONE = 15 * 60
"""Seconds to wait for one that is under way; git itself gives up on a silent server long before."""
# Files that PostgreSQL, MySQL and Dify itself (the keys of its workspaces) make with their data.
DATA = ("volumes/db/data/pgdata/PG_VERSION", "volumes/mysql/data/ibdata1", "volumes/app/storage/privkeys")


def compose_dir(dify: DifySettings) -> str:
    return f"{dify.folder}{SUBFOLDER}"


def project(host: Host, dify: DifySettings) -> str:
    """What compose calls the installation: after its folder, unless an owner's ``.env`` says otherwise."""
    return host.get_fact(ComposeProject, folder=compose_dir(dify))


def container(host: Host, dify: DifySettings, service: str) -> str:
    """The container of one of Dify's services."""
    return f"{project(host, dify)}-{service}-1"


def no_place(host: Host, dify: DifySettings) -> Problem | None:
    """Why none can be made where there is no clone."""
    if host.get_fact(Directory, path=dify.folder):
        return Problem(f"{dify.folder} is there and is no clone", "Set dify.folder to a new one")
    if host.get_fact(RememberedFolder) == dify.folder:
        return Problem(
            f"{dify.folder}, where Dify stood, is gone",
            f"Mount it, or bring it back by deploys/restore.py; to begin with nothing, remove {PLACE}",
        )
    return None


def no_env(host: Host, dify: DifySettings) -> Problem | None:
    """Why a clone's ``.env`` and our override cannot be written.

    Raises:
        OSError: a file cannot be read.
    """
    if as_it_is(dify):
        return None
    folder = compose_dir(dify)
    if against := _against(host, dify):
        return Problem(against.found, against.advice)
    return None if unless_blank(read(host, f"{folder}/.env")) else _data_alone(host, folder)


def _data_alone(host: Host, folder: str) -> Problem | None:
    """Data in a folder that has no ``.env``."""
    for path in DATA:
        if host.get_fact(File, path=f"{folder}/{path}"):
            return Problem(
                f"{folder}/{path} exists but {folder}/.env, which has the password, does not, or is blank",
                "Restore .env from a backup (SECRET_KEY and the other secrets are in it too), or "
                f"move all of {folder}/volumes away to begin with nothing",
            )
    return None


def _against(host: Host, dify: DifySettings) -> Obstacle | None:
    folder = compose_dir(dify)
    choice = host.get_fact(ComposeFiles, folder=folder)
    choice = replace(choice, variables={**choice.variables, **dify.env})
    return obstacle(choice, folder, read(host, f"{folder}/{OVERRIDE}"))


@operation()
def clone(*, dify: DifySettings) -> Commands:
    """Have Dify's source at the pinned tag; where another one runs, it goes on, and that is told.

    Args:
        dify: repository, version, folder.
    """
    running = host.get_fact(CheckedOutTag, path=dify.folder)
    if running:
        if running != dify.version:
            logger.warning(f"{host.print_prefix}{pin_differs(running, dify.version, dify.folder)}")
        host.noop(f"{dify.folder} is at {running}")
        return
    if problem := no_place(host, dify):
        yield failure("Clone Dify", problem.found, advice=problem.advice)
        return
    staged = QuoteString(f"{dify.folder}.new")
    lock = QuoteString(f"{dify.folder}.lock")
    held = failure(
        "Clone Dify",
        f"git, which an earlier run began, holds {dify.folder}.lock for {LONGEST_CLONE // 60} minutes",
        advice="Look for it on the host (pgrep -af git), end it, then run again",
    )
    # The lock: a clone that a killed run began goes on on the host, and this one waits for its end.
    alone = StringCommand("flock --wait", str(LONGEST_CLONE), "--conflict-exit-code 75", lock)
    yield StringCommand("mkdir -p", QuoteString(dify.folder.rsplit("/", 1)[0] or "/"))
    yield watched(
        StringCommand(alone, "rm -rf", staged, "|| { [ $? != 75 ] ||", held, "; }"),
        "waiting for the clone that an earlier run began",
    )
    yield watched(
        StringCommand(
            alone, GIT, "-c advice.detachedHead=false clone --quiet --depth 1 --branch",
            QuoteString(dify.version), QuoteString(dify.repository), staged,
        ),
        "cloning Dify",
    )  # fmt: skip
    yield StringCommand("mv -T", staged, QuoteString(dify.folder))


@operation()
def settings(*, deployment: Deployment) -> Commands:
    """Have ``.env`` and the override say what our settings say; the owner's own lines stay.

    In terms of the release that runs, which need not be the pinned one.

    Args:
        deployment: settings, and the address that links are made with.
    """
    dify = deployment.dify
    folder = compose_dir(dify)
    version = host.get_fact(
        ExampleEnv, folder=dify.folder, tag=host.get_fact(CheckedOutTag, path=dify.folder)
    )
    try:
        owner = env_files(host, folder)
        example = read(host, f"{folder}/.env.example")
        against = _against(host, dify)
        if owner:
            _warn_of_published_secrets(version, owner)
        if owner and as_it_is(dify) and not counts_tokens(owner):
            logger.warning(
                f"{host.print_prefix}Dify sends whole conversations, whatever the model can read, so that "
                f"long ones fail; set {COUNTING}=true in {folder}/.env and run docker compose up -d there"
            )
        if owner and as_it_is(dify) and not _unknown(dify):
            _tell_what_differs(deployment, version, owner, against)
    except OSError as error:
        yield failure(STEP, str(error), advice="Put the file right, and look at the disk")
        return
    except ValueError as error:  # nothing that Compose reads
        yield failure(STEP, f"{folder}/.env: {error}", advice="Put the file right")
        return
    if as_it_is(dify):
        host.noop("left as it is")
        return
    if against:
        yield failure(STEP, against.found, advice=against.advice)
        return
    try:
        require_no_linked_settings(host, dify)
    except StepError as error:
        yield failure(STEP, str(error), advice="Nothing was written")
        return
    wanted = managed(dify, deployment.dify_url, version)
    if owner is None:
        if problem := _data_alone(host, folder):
            yield failure(STEP, problem.found, advice=problem.advice)
            return
        if example is None:
            yield failure(STEP, f"no {folder}/.env.example", advice="Is it a clone of Dify?")
            return
        try:
            secrets = {name: secret(name) for name in DIFY}
            wanted = {**replaced_at_first(version, secrets, secret(INIT_PASSWORD)), **wanted}
        except KeeperUnavailableError as error:
            yield failure(STEP, str(error), advice="Run again")
            return
        owner = EnvFolder(example)
    try:
        result = merged(version, owner, version, wanted)
    except DotenvError as error:
        yield failure(STEP, f"{folder}/.env.example: {error}", advice="Check out the tag anew")
        return
    for line in shown(result.changes, private=dify.env):
        host.log(line)
    override = render(
        "docker-compose.override.yaml.j2",
        desktop=host.get_fact(DockerDesktop),
        plugin_debugging_port=dify.plugin_debugging_port,
    )
    for name, content, mode in ((OVERRIDE, override, "644"), (".env", result.text, "600")):
        yield from secret_file._inner(content=content, path=f"{folder}/{name}", mode=mode, keep_owner=True)


def require_no_linked_settings(host: Host, dify: DifySettings) -> None:
    """Refuse settings that lie elsewhere: a backup would keep the link alone, and writing them replace it.

    Raises:
        StepError: says where it leads.
    """
    for name in (".env", OVERRIDE):
        path = f"{compose_dir(dify)}/{name}"
        if link := host.get_fact(Link, path=path):
            raise StepError(
                f"{path} is a link to {link['link_target']}, of which a backup would keep the link only: put "
                f'the file in its place (cp --remove-destination "$(readlink -f {path})" {path}), and change '
                "it there from now on"
            )


def env_files(host: Host, folder: str) -> EnvFolder | None:
    """The owner's environment files, read in memory; ``None`` when there is no ``.env``, or nothing in it.

    Raises:
        OSError: one of them cannot be read.
    """
    env = unless_blank(read(host, f"{folder}/.env"))
    if env is None:
        return None
    names = host.get_fact(OptionalEnvFiles, folder=folder)
    return EnvFolder(env, {name: read(host, f"{folder}/{name}") or "" for name in names})


def _warn_of_published_secrets(version: EnvFolder, owner: EnvFolder) -> None:
    for variables, change in still_published(version, owner):
        logger.warning(f"{host.print_prefix}everybody knows {' and '.join(variables)} of this Dify: {change}")


def _tell_what_differs(
    deployment: Deployment, version: EnvFolder, owner: EnvFolder, against: Obstacle | None
) -> None:
    """What taking over an installation would change in its files.

    Raises:
        DotenvError: Compose would refuse one of the files.
    """
    dify = deployment.dify
    result = merged(version, owner, version, managed(dify, deployment.dify_url, version))
    lines = [*shown(result.changes, private=dify.env)]
    lines.append(f"+ {OVERRIDE}" + (f", once {against.once}" if against else ""))
    logger.warning(
        f"{host.print_prefix}{dify.folder} was set up by hand and runs on as it is. dify.take_over = True "
        "would make its containers anew, with:\n  " + "\n  ".join(lines)
    )


def as_it_is(dify: DifySettings) -> bool:
    """Whether files and containers are left alone: Dify was set up by hand, or its release is not known."""
    return _unknown(dify) or (not dify.take_over and host.get_fact(MadeByHand, folder=compose_dir(dify)))


def _unknown(dify: DifySettings) -> bool:
    return host.get_fact(CheckedOutTag, path=dify.folder) == "?"
