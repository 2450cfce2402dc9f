"""One turn of a chat: the checks, the question to the model, the answer's two forms.

Recording "chat…", "webapp chat", "daemon down: chat"; contract section 7. Errors that are found before the
model is asked are HTTP errors in both forms; later ones are events in a stream.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import conversations, model_config, model_store, models, prompts, provider, searching
from .call import now
from .context import Site
from .daemon.failures import INTERNAL, DaemonError, DaemonUnreachableError
from .daemon.models import Invocation
from .errors import ApiError, DaemonGoneError, error, invalid_param, server_failure
from .store import Document


@dataclass(frozen=True)
class Question:
    """What somebody asks an app.

    Args:
        conversation: the one it goes on; ``None`` begins a new one.
        full: tell usage with the answer, as the service API does and the web API does not.
    """

    app: Document
    person: Document
    query: str
    inputs: dict[str, Any]
    conversation: Document | None
    streaming: bool
    full: bool


@dataclass
class Turn:
    """A question that can be put to its model.

    Args:
        started: monotonic time, for the latency.
        found: what the app's datasets have on it, the best first.
    """

    question: Question
    conversation: Document
    asked: Invocation
    message_id: str
    task_id: str
    created_at: int
    started: float
    found: list[searching.Found]
    answer: str = ""
    usage: dict[str, Any] | None = None


def prepare(site: Site, question: Question) -> Turn:
    """Check everything that can be checked, begin the conversation.

    Raises:
        ApiError: the app, its configuration or the question does not allow an answer.
    """
    config = _config(question)
    missing = model_config.missing_input(config, question.inputs)
    if missing:
        raise invalid_param(f"{missing} is required in input form")
    name = config["model"]["name"]
    values = _credentials(site, config["model"])
    conversation = question.conversation or conversations.start(
        site, question.app, question.person, question.inputs, config["opening_statement"]
    )
    parameters = dict(config["model"]["completion_params"])
    stop = parameters.pop("stop", [])
    said = models.schema(site, {"model_type": "llm", "model": name})
    if said is None:  # ``core/app/app_config/easy_ui_based_app/model_config/converter.py``
        raise server_failure()
    context = said["context_size"] if site.settings.counts_tokens else None
    room = None if context is None else context - int(parameters.get("max_tokens") or 0)
    history = conversations.turns(site, conversation["id"])
    found = searching.for_app(site, config, question.query)
    known = "\n".join(each.chunk["content"] for each in found)
    messages = prompts.messages(config, question.inputs, question.query, history, room, known)
    asked = Invocation(
        model=name,
        credentials=values,
        messages=messages,
        parameters=prompts.bounded(parameters, messages, context),
        stop=stop,
        stream=question.streaming,
        user=question.person["id"],
    )
    return Turn(
        question, conversation, asked, str(uuid.uuid4()), str(uuid.uuid4()), now(), time.monotonic(), found
    )  # fmt: skip


def pieces(site: Site, turn: Turn) -> Iterator[str]:
    """The answer's pieces; when the last one was taken, the turn is complete and stored.

    Raises:
        ApiError: the endpoint refused (400, with its text), or the plugin daemon is gone (500).
    """
    try:
        for piece in site.daemon.invoke(site.tenant_id(), turn.asked):
            if "text" in piece:
                turn.answer += piece["text"]
                yield piece["text"]
            else:
                turn.usage = piece["usage"]
    except DaemonError as failure:
        if failure.kind == INTERNAL:
            raise server_failure() from failure
        raise error(400, "completion_request_error", failure.message) from failure
    except DaemonUnreachableError as gone:
        raise server_failure() from gone
    _store(site, turn)


def metadata(site: Site, turn: Turn) -> dict[str, Any]:
    """What is told with a complete answer."""
    config = turn.question.app["config"]
    found = searching.resources(turn.found) if config["retriever_resource"]["enabled"] else []
    # Before 1.4.2 an answer that cites nothing does not say so (recording of 1.3.1).
    cited = {"retriever_resources": found} if found or site.settings.since("1.4.2") else {}
    if not turn.question.full:
        return {**cited, "reasoning": {}}
    asked, answered = _counts(turn)
    free = {"unit_price": "0", "price_unit": "0", "price": "0.0000000"}
    usage = {
        "prompt_tokens": asked,
        **{f"prompt_{name}": value for name, value in free.items()},
        "completion_tokens": answered,
        **{f"completion_{name}": value for name, value in free.items()},
        "total_tokens": asked + answered,
        "total_price": "0.0000000",
        "currency": "USD",
        "latency": time.monotonic() - turn.started,
        "time_to_first_token": None,
        "time_to_generate": None,
    }
    return {"annotation_reply": None, **cited, "usage": usage, "reasoning": {}}


def name_conversation(site: Site, turn: Turn) -> None:
    """Ask the model for a title of a new conversation; without one the question itself is the title."""
    prompt = (
        "Give the conversation that begins with this message a short title, in the message's language. "
        f"Answer with the title only.\n\n{turn.question.query[:2000]}"
    )
    asked = Invocation(
        model=turn.asked.model,
        credentials=turn.asked.credentials,
        messages=[{"role": "user", "content": prompt}],
        parameters={"max_tokens": 100, "temperature": 1},
        stop=[],
        stream=False,
        user="",
    )
    try:
        found = site.daemon.invoke(site.tenant_id(), asked)
        title = "".join(piece.get("text", "") for piece in found).strip()
    except (DaemonError, DaemonUnreachableError):
        title = ""
    latest = site.store.get("conversation", turn.conversation["id"])
    if latest:
        named = (title or turn.question.query)[:75]
        site.store.put("conversation", latest["id"], latest | {"name": named})


def _config(question: Question) -> Document:
    mode = question.app["mode"]
    if mode in {"advanced-chat", "workflow"}:
        raise invalid_param("Workflow not published")
    if mode == "agent-chat" and not question.streaming:
        raise invalid_param("Agent Chat App does not support blocking mode")
    config: Document | None = question.app["config"]
    if mode != "chat" or config is None:
        raise unavailable()
    return config


def unavailable() -> ApiError:
    """No configuration, or another kind of app than the route is for."""
    return error(400, "app_unavailable", "App unavailable, please check your app configurations.")


def _credentials(site: Site, model: dict[str, Any]) -> dict[str, str]:
    try:
        known = provider.installed(site)
    except (DaemonError, DaemonUnreachableError) as gone:
        told = site.settings.since("1.7.2") and not site.settings.since("1.15.0")
        raise (DaemonGoneError(str(gone)) if told else server_failure()) from gone
    if provider.full_name(model["provider"]) not in known:
        raise invalid_param(f"Provider {model['provider']} does not exist.")
    found = model_store.current(site, "llm", model["name"])
    if found is None:
        message = f"Model {model['name']} credentials is not initialized."
        raise error(400, "provider_not_initialize", message)
    return dict(found["values"])


def _counts(turn: Turn) -> tuple[int, int]:
    usage = turn.usage or {}
    asked = usage.get("prompt_tokens") or prompts.tokens(turn.asked.messages)
    return asked, usage.get("completion_tokens") or prompts.text_tokens(turn.answer)


def _store(site: Site, turn: Turn) -> None:
    asked, answered = _counts(turn)
    message = {
        "id": turn.message_id,
        "conversation_id": turn.conversation["id"],
        "inputs": turn.question.inputs,
        "query": turn.question.query,
        "answer": turn.answer,
        "message_tokens": asked,
        "answer_tokens": answered,
        "latency": time.monotonic() - turn.started,
        "created_at": turn.created_at,
    }
    conversations.add_turn(site, turn.conversation, message)
