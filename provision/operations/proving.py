"""Whether a release of Dify that was just started does what it is for."""

from __future__ import annotations

import httpx
from pyinfra import logger
from pyinfra.api import Host, QuoteString, StringCommand

from provision.dify.client import wait_until_ready
from provision.dify.errors import DifyError
from provision.domain.deployment import Deployment
from provision.domain.upgrades import migration
from provision.domain.wiring.versions import Version
from provision.facts.containers import Restarts
from provision.keeper import KeeperUnavailableError
from provision.operations.asking import ask
from provision.operations.dify import client, meet_again
from provision.operations.dify_containers import LAST_WORDS
from provision.operations.dify_stack import compose_dir, project
from provision.operations.steps import StepError, run_visibly

# Restarts after which a container of the API is taken for one that will never stay up.
TOO_MANY_RESTARTS = 4
Failure = (StepError, DifyError, KeeperUnavailableError, httpx.HTTPError)


def proven(host: Host, deployment: Deployment, version: str) -> None:
    """Wait until a release answers from its migrated database, and ask the bot.

    Raises:
        StepError, DifyError, KeeperUnavailableError, httpx.HTTPError: it does not.
    """
    settings = deployment.dify

    def waiting(line: str) -> None:
        host.log(line)
        if host.get_fact(Restarts, project=project(host, settings), service="api") >= TOO_MANY_RESTARTS:
            raise StepError("the api container ends again and again; its last words are above")

    meet_again()
    dify = client(settings)
    try:
        wait_until_ready(dify, settings.start_timeout, waiting=waiting)
        if dify.version != Version.parse(version):
            raise StepError(f"{dify.version} answers, not {version}")
        ask(settings)
    except Failure:
        _last_words(host, deployment)
        raise


def migrated(host: Host, deployment: Deployment, version: str) -> None:
    """Have done in the database what a release leaves to its owner; a failure is told, and undoes nothing.

    What the command says goes into a file: credentials, encrypted, are among it.
    """
    command = migration(Version.parse(version))
    if command is None:
        return
    folder, log = compose_dir(deployment.dify), f"{deployment.dify.backup.folder}/migration.log"
    inside = StringCommand("cd", QuoteString(folder), "&& umask 077 &&")
    call = StringCommand("docker compose exec -T api", command, "</dev/null >>", QuoteString(log), "2>&1")
    try:
        run_visibly(host, StringCommand(inside, call), "bringing older models in order")
    except StepError as error:
        logger.warning(
            f"{host.print_prefix}{error}; they answer, but cannot be changed (see {log}). Run "
            f"`docker compose exec api {command}` in {folder}"
        )


def _last_words(host: Host, deployment: Deployment) -> None:
    inside = StringCommand("cd", QuoteString(compose_dir(deployment.dify)), "&&")
    run_visibly(
        host,
        StringCommand(inside, "{", LAST_WORDS, "}; true"),
        "reading the last words of Dify",
    )
