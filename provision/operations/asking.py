"""Does the bot answer, and does it know what it is to know? Proofs, which change nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from http import HTTPStatus

import httpx
from pyinfra import host, state
from pyinfra.api import FunctionCommand, StringCommand, operation

from provision import knowledge, progress
from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.runtimes import is_missing, when_running
from provision.dify.service import Answer
from provision.domain.deployment import Deployment
from provision.domain.knowledge import Document, holds, not_set_aside, probe
from provision.domain.settings import DifySettings
from provision.keeper import KeeperUnavailableError
from provision.operations.dify import client

Commands = Generator[StringCommand | FunctionCommand, None, None]

# Who asks; a user of the app, not an account of Dify's.
USER = "dify-vllm-deploy"
# Seconds that a question which fails is repeated, as its plugin may be starting.
_PATIENCE = 60.0


@operation()
def question(*, deployment: Deployment) -> Commands:
    """Ask the bot twice through its API, in one piece and as a stream, and leave no conversation behind.

    Args:
        deployment: the bot, and what to ask it.
    """
    yield from _proof("question", ("chat",), lambda: ask(deployment.dify), "the bot answers")


@operation()
def memory(*, deployment: Deployment) -> Commands:
    """Search what the bot is to know for a sentence of it, and see that the bot's answer cites its file.

    Args:
        deployment: the bot, and its folders.
    """
    yield from _proof(
        "knowledge",
        ("chat", "embed", "score"),
        lambda: _remember(deployment.dify),
        "what it is to know is found and cited",
    )


def _proof(what: str, needs: tuple[str, ...], prove: Callable[[], None], proven: str) -> Commands:
    """Prove something while the deploy runs. What fails is remembered, so that link and key are handed over
    all the same; the last operation fails with it."""
    if not state.is_executing:
        host.noop("asked when the deploy runs")
        return
    if missing := [role for role in needs if role in progress.not_done]:
        host.noop(f"not asked: not proven: the model of {' and '.join(missing)}")
        return
    try:
        prove()
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        progress.not_done[what] = f"{_MEANING[what]}: {error}"
        host.log(progress.not_done[what])
        return
    host.noop(proven)
    return
    yield


_MEANING = {
    "question": "the bot does not answer",
    "knowledge": "the bot does not know what it is to know",
}


def ask(settings: DifySettings) -> None:
    """Ask the bot its test question by its API, in one piece, and in the same conversation as a stream.

    Its public page is tried, too.

    Raises:
        DifyError, KeeperUnavailableError, httpx.HTTPError: it does not answer as it should.
    """
    bot = settings.bot
    dify = client(settings)
    app = dify.apps.require(bot.name)
    if not dify.service.link_works(app.link_code):
        raise DifyError("Check the chat link", "Dify lets no visitor in by it", "is the site switched on?")
    key = dify.apps.api_key(bot.name)
    first = when_running(
        dify.transport,
        lambda: dify.service.ask(key, bot.test_question, USER),
        starting=_may_be_starting,
        patience=_PATIENCE,
    )
    try:
        # The second turn is what finds a conversation that does not fit the model's context.
        second = dify.service.ask_streaming(key, bot.test_question, USER, first.conversation_id)
    finally:
        _forgotten(dify, key, first)
    for answer in (first, second):
        if not answer.text.strip():
            raise DifyError(
                "Ask the bot", "it answered nothing", "raise dify.bot.max_tokens, or look at the model"
            )
    progress.answer = progress.answer or first.text


def _may_be_starting(error: DifyError) -> bool:
    """Whether the bot's plugin may not run yet; asked in one piece, Dify does not say what failed."""
    return is_missing(error) or error.status == HTTPStatus.INTERNAL_SERVER_ERROR


def _remember(settings: DifySettings) -> None:
    dify = client(settings)
    key = dify.apps.api_key(settings.bot.name)
    for folder in settings.knowledge.folders:
        if f"knowledge/{folder}" in progress.not_done:
            continue
        _recall(dify, key, folder, knowledge.documents(settings.knowledge, folder))


def _recall(dify: Dify, key: str, folder: str, documents: list[Document]) -> None:
    stored = dify.datasets.documents(dify.datasets.require(folder))
    looked_for = probe(not_set_aside(documents, stored))
    if looked_for is None:
        host.log(f"knowledge/{folder} has no sentence of its own to look for")
        return
    step = f"Look for {looked_for.sentence!r}"
    found = when_running(dify.transport, lambda: dify.datasets.search(folder, looked_for.sentence))
    first = found[0] if found else None
    if (
        first is None
        or first.document != looked_for.document
        or not holds(first.content, looked_for.sentence)
    ):
        raise DifyError(
            step,
            f"it is in {looked_for.document}, but {folder} finds "
            + (f"{first.content!r} of {first.document} first" if first else "nothing"),
            "are the embedding and the score model the right ones?",
        )
    answer = _forgotten(dify, key, dify.service.ask(key, looked_for.sentence, USER))
    if looked_for.document not in answer.sources:
        raise DifyError(
            step,
            f"the answer cites {', '.join(answer.sources) or 'nothing'} and not {looked_for.document}",
            f"is {folder} attached to the bot?",
        )


def _forgotten(dify: Dify, key: str, answer: Answer) -> Answer:
    """The answer, with its conversation deleted; one that stays says nothing about the bot."""
    try:
        dify.service.delete_conversation(key, answer.conversation_id, USER)
    except DifyError as error:
        progress.remarks.append(f"a conversation of {USER} with the bot stays: {error}")
    return answer
