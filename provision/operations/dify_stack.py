"""Dify's own files and containers."""

from __future__ import annotations

from collections.abc import Generator
from io import StringIO

from pyinfra import host, logger
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory
from pyinfra.operations import files

from provision.domain import compose
from provision.domain.deployment import Deployment
from provision.domain.dify_env import difference, initial, managed, with_values
from provision.domain.secrets import DIFY, INIT_PASSWORD
from provision.domain.settings import DifySettings
from provision.facts.docker import ComposeStack, ComposeVersion
from provision.facts.git import CheckedOutTag
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.failing import failure
from provision.operations.secrets import secret_file
from provision.remote_file import read
from provision.templates import render

PROJECT = "docker"  # compose names a project after its folder, as in the official start
MINIMUM_COMPOSE = (2, 24)

Commands = Generator[StringCommand | FileUploadCommand, None, None]


def compose_dir(dify: DifySettings) -> str:
    return f"{dify.folder}/docker"


@operation()
def engine() -> Commands:
    """Find a Docker engine with Compose ≥ 2.24 (optional env files need it)."""
    found = host.get_fact(ComposeVersion)
    parts = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if parts >= MINIMUM_COMPOSE:
        host.noop(f"Compose {found}")
        return
    yield failure(
        "Find Docker",
        f"Compose is {found}" if found else "no engine answers, or it has no compose plugin",
        advice="Dify needs Docker Engine with Compose 2.24 or newer; install or update it, then run again",
    )


@operation()
def clone(*, dify: DifySettings) -> Commands:
    """Have Dify's source at the pinned tag; an installation of another version is left as it is.

    Args:
        dify: repository, version, folder.
    """
    tag = host.get_fact(CheckedOutTag, path=dify.folder)
    if tag == dify.version:
        host.noop(f"{dify.folder} is at {tag}")
        return
    if tag:
        host.noop(f"{dify.folder} is at {tag}")
        logger.warning(
            f"{host.print_prefix}Dify is at {tag} while dify.version is {dify.version}; "
            "a running installation is never changed in passing"
        )
        return
    staged = QuoteString(f"{dify.folder}.new")
    yield StringCommand("rm -rf", staged)
    yield StringCommand(
        "git -c advice.detachedHead=false clone --quiet --depth 1 --branch", QuoteString(dify.version),
        QuoteString(dify.repository), staged, "&& mv -T", staged, QuoteString(dify.folder),
    )  # fmt: skip


@operation()
def settings(*, deployment: Deployment) -> Commands:
    """Have ``.env`` and the override say what our settings say; the owner's own lines stay.

    Args:
        deployment: settings, and the address that links are made with.
    """
    dify = deployment.dify
    folder = compose_dir(dify)
    override = render("docker-compose.override.yaml.j2")
    yield from files.put._inner(
        src=StringIO(override), dest=f"{folder}/docker-compose.override.yaml", mode="644"
    )
    wanted = managed(dify, deployment.dify_url)
    existing = read(host, f"{folder}/.env")
    if existing is None:
        if host.get_fact(Directory, path=f"{folder}/volumes/db/data"):
            yield failure(
                "Write Dify's .env",
                f"{folder}/volumes/db/data exists but its .env, with the password, does not",
                advice="Restore .env from a backup, or remove the old data",
            )
            return
        example = read(host, f"{folder}/.env.example")
        if example is None:
            yield failure("Write Dify's .env", f"no {folder}/.env.example", advice="Is it a clone of Dify?")
            return
        try:
            wanted |= initial({name: secret(name) for name in DIFY}, secret(INIT_PASSWORD))
        except KeeperUnavailableError as error:
            yield failure("Write Dify's .env", str(error), advice="Run again")
            return
        existing = example
    content = with_values(existing, wanted)
    if changed := difference(existing, content):
        host.log(f"variables that change: {', '.join(changed)}")
    yield from secret_file._inner(content=content, path=f"{folder}/.env")


@operation()
def up(*, dify: DifySettings) -> Commands:
    """Have every container run from its present definition.

    Args:
        dify: the folder.
    """
    folder = compose_dir(dify)
    stack = host.get_fact(ComposeStack, folder=folder, project=PROJECT)
    found = compose.differences(stack.wanted, stack.containers)
    if stack.wanted and not found:
        host.noop("every container is as defined")
    else:
        for line in found:
            host.log(line)
        yield StringCommand("docker compose pull --quiet --policy missing", _chdir=folder)
        yield StringCommand("docker compose up --detach --quiet-pull", _chdir=folder)
        stack = host.get_fact(ComposeStack, folder=folder, project=PROJECT)
    if compose.nginx_is_stale(stack.containers):
        yield StringCommand("docker compose restart nginx", _chdir=folder)
