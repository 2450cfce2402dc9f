"""Whether a release of Dify that was just started does what it is for."""

from __future__ import annotations

import httpx
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
    """See that a release works: it comes up, and the bot answers.

    Raises:
        StepError, DifyError, KeeperUnavailableError, httpx.HTTPError: it does not.
    """
    come_up(host, deployment, version)
    answers(host, deployment)


def come_up(host: Host, deployment: Deployment, version: str) -> None:
    """Wait until a release answers from its database, and migrate there what it does not by itself.

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
        if command := migration(dify.version):
            _migrate(host, deployment, command)
    except Failure:
        _last_words(host, deployment)
        raise


def answers(host: Host, deployment: Deployment) -> None:
    """Ask the bot.

    Raises:
        StepError, DifyError, KeeperUnavailableError, httpx.HTTPError: it does not answer.
    """
    try:
        ask(deployment.dify)
    except Failure:
        _last_words(host, deployment)
        raise


def _migrate(host: Host, deployment: Deployment, command: str) -> None:
    log = QuoteString(f"{deployment.dify.backup.folder}/migration.log")
    inside = StringCommand("cd", QuoteString(compose_dir(deployment.dify)), "&& umask 077 &&")
    run_visibly(
        host,
        StringCommand(inside, "docker compose exec -T api", command, "</dev/null >>", log),
        "migrating the models",
    )


def _last_words(host: Host, deployment: Deployment) -> None:
    inside = StringCommand("cd", QuoteString(compose_dir(deployment.dify)), "&&")
    run_visibly(
        host,
        StringCommand(inside, "{", LAST_WORDS, "}; true"),
        "reading the last words of Dify",
    )
