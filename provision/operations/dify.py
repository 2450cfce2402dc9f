"""Dify's resources: read, compared, and written only where they differ."""

from __future__ import annotations

from collections.abc import Callable, Generator

import httpx
from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, Host, OperationValueError, State, StringCommand, operation

from provision import progress
from provision.connectors.relay import http_client
from provision.dify.client import Dify, wait_until_ready
from provision.dify.errors import DifyError, LoginRefusedError
from provision.dify.resources.base import Resource
from provision.domain.deployment import Deployment
from provision.domain.secrets import ADMIN_PASSWORD
from provision.domain.settings import DifySettings, ModelRole
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.failing import failure

Commands = Generator[StringCommand | FunctionCommand, None, None]

# Who asks the test question; a user of the app, not an account of Dify's.
USER = "dify-vllm-deploy"

_clients: dict[str, Dify] = {}


def client(settings: DifySettings) -> Dify:
    """The one client of this run for the current host's Dify: it signs in once.

    Raises:
        KeeperUnavailableError: when the password cannot be read.
    """
    if host.name not in _clients:
        # One spelling of the host throughout: cookies are bound to it.
        http = http_client(host, f"http://127.0.0.1:{settings.port}")
        dify = Dify(http, server=host.name)
        dify.sign_in(settings.admin_email, secret(ADMIN_PASSWORD))
        _clients[host.name] = dify
    return _clients[host.name]


def meet_again() -> None:
    """Forget the client: behind the door is another release, or another database."""
    _clients.pop(host.name, None)


@operation()
def ready(*, settings: DifySettings) -> Commands:
    """Wait until Dify answers with a database behind it.

    Args:
        settings: port, and ``start_timeout`` in seconds.
    """
    if not state.is_executing:
        host.noop("awaited when the deploy runs")
        return
    try:
        dify = client(settings)
        wait_until_ready(dify, settings.start_timeout, waiting=host.log)
    except (DifyError, KeeperUnavailableError) as error:
        yield StringCommand(
            "{ docker compose ps --all; docker compose logs --tail 15 api nginx; } >&2; true",
            _chdir=f"{settings.folder}/docker",
        )
        yield failure(
            "Wait for Dify", str(error), advice="The lines above are its containers and their last words"
        )
        return
    host.noop(f"Dify {dify.version} answers")


@operation()
def resource(
    *, settings: DifySettings, make: Callable[[Dify], Resource], needs: ModelRole | None = None
) -> Commands:
    """Have a resource of Dify's be as wanted.

    Args:
        settings: of the Dify host.
        make: makes the wanted resource for a client.
        needs: a model without which it cannot be done; when that was not proven, Dify keeps what it has.
    """
    if needs in progress.not_done:
        host.noop(f"kept as it is: the {needs} model was not proven")
        return
    try:
        wanted = make(client(settings))
        difference = wanted.difference()
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        if state.is_executing:
            yield failure("Ask Dify", str(error), advice="Put it right and run again")
            return
        if isinstance(error, LoginRefusedError):
            # Not "would change" but "cannot tell", and nothing that another try would mend.
            raise OperationValueError(str(error)) from None
        # A dry run: Dify, or what this builds on, is not there yet, so it would be made.
        host.log(f"would be made: {error}")
        yield FunctionCommand(_nothing, (), {})
        return
    if difference is None:
        host.noop("as wanted")
        return
    host.log(f"{wanted.title}: {difference}")
    yield FunctionCommand(_apply, (wanted,), {})


def _nothing() -> None:
    """Stands for the writes that a dry run foresees."""


def _apply(state: State, host: Host, wanted: Resource) -> bool:
    del state
    try:
        wanted.apply()
    except DifyError as error:
        # Told in one line; an exception would be told as a traceback.
        host.log_styled(str(error), fg="red", log_func=logger.error)
        return False
    return True


@operation()
def question(*, deployment: Deployment) -> Commands:
    """Ask the bot a question through its API and leave no conversation behind.

    Args:
        deployment: the bot, and what to ask it.
    """
    if not state.is_executing:
        host.noop("asked when the deploy runs")
        return
    if "chat" in progress.not_done:
        host.noop("not asked: the chat model was not proven")
        return
    try:
        progress.answer = ask(deployment)
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        # Remembered, so that link and key are handed over all the same; the last operation fails with it.
        progress.not_done["question"] = f"the bot does not answer: {error}"
        host.log(progress.not_done["question"])
        return
    host.noop("the bot answers")
    return
    yield


def ask(deployment: Deployment) -> str:
    """The bot's answer to the test question, through its API and by its public page.

    Raises:
        DifyError, KeeperUnavailableError, httpx.HTTPError: it does not answer as it should.
    """
    bot = deployment.dify.bot
    dify = client(deployment.dify)
    app = dify.apps.require(bot.name)
    key = dify.apps.api_key(bot.name)
    if not dify.service.link_works(app.link_code):
        raise DifyError("Check the chat link", "Dify lets no visitor in by it", "is the site switched on?")
    answer = dify.service.ask(key, bot.test_question, USER)
    dify.service.delete_conversation(key, answer.conversation_id, USER)
    if not answer.text.strip():
        raise DifyError(
            "Ask the bot", "it answered nothing", "raise dify.bot.max_tokens, or look at the model"
        )
    return answer.text
