"""The chat routes' common part: read the question, answer in one piece or as a stream of events."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from . import conversations, generation
from .call import Call
from .context import Site
from .errors import ApiError, error, server_failure
from .generation import Question, Turn
from .payload import Field, check

FIELDS = (
    Field("inputs", dict),
    Field("query"),
    Field("response_mode", required=False, options=("blocking", "streaming"), literal=True),
    Field("conversation_id", required=False),
)
PING_SECONDS = 10
STREAM = "text/event-stream; charset=utf-8"


def answer(site: Site, call: Call, full: bool, name_it: bool) -> Response:
    """Answer the question in a call.

    Args:
        full: tell usage with the answer.
        name_it: let the model give a new conversation a title, unless the question says no.
    """
    given = check("ChatRequestPayload", call.json(), FIELDS)
    question = Question(
        app=call.app,
        person=call.end_user,
        query=given["query"],
        inputs=given["inputs"],
        conversation=_conversation(site, call, given.get("conversation_id") or ""),
        streaming=given.get("response_mode") == "streaming",
        full=full,
    )
    turn = generation.prepare(site, question)
    name_it = name_it and question.conversation is None and given.get("auto_generate_name", True)
    if question.streaming:
        return StreamingResponse(_stream(site, turn, name_it), media_type=STREAM)
    for _ in generation.pieces(site, turn):
        pass
    _name(site, turn, name_it)
    return JSONResponse(_whole(site, turn), media_type="application/json; charset=utf-8")


def _conversation(site: Site, call: Call, key: str) -> dict[str, Any] | None:
    if not key:
        return None
    try:
        return conversations.find(site, call.app, call.end_user, key)
    except ApiError as missing:
        # Flask adds a guess of what was meant to 404s that leave a service API route.
        hint = f"You have requested this URI [{call.url_path}] but did you mean {call.url_path} ?"
        raise error(404, "not_found", f"{missing} {hint}") from None


def _whole(site: Site, turn: Turn) -> dict[str, Any]:
    return {
        "event": "message",
        "task_id": turn.task_id,
        "id": turn.message_id,
        "message_id": turn.message_id,
        "conversation_id": turn.conversation["id"],
        "mode": "chat",
        "answer": turn.answer,
        "metadata": generation.metadata(site, turn),
        "created_at": turn.created_at,
    }


def _stream(site: Site, turn: Turn, name_it: bool) -> Iterator[str]:
    """Events as they come, and a ping whenever the model is silent for long."""
    events: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_produce, args=(site, turn, events), daemon=True).start()
    while True:
        try:
            event = events.get(timeout=PING_SECONDS)
        except queue.Empty:
            yield "event: ping\n\n"
            continue
        if event is None:
            break
        yield f"data: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"
    _name(site, turn, name_it)


def _produce(site: Site, turn: Turn, events: queue.Queue[dict[str, Any] | None]) -> None:
    common = {
        "conversation_id": turn.conversation["id"],
        "message_id": turn.message_id,
        "created_at": turn.created_at,
    }
    ids = {"task_id": turn.task_id, "id": turn.message_id}
    selector = {"from_variable_selector": [] if site.settings.since("1.13.0") else None}
    try:
        for text in generation.pieces(site, turn):
            events.put({"event": "message", **common, **ids, "answer": text, **selector})
        told = {"metadata": generation.metadata(site, turn), "files": []}
        events.put({"event": "message_end", **common, **ids, **told})
    except ApiError as failure:
        events.put({"event": "error", **common, **failure.body})
    except Exception:
        events.put({"event": "error", **common, **server_failure().body})
        raise
    finally:
        events.put(None)


def _name(site: Site, turn: Turn, wanted: bool) -> None:
    if wanted:
        threading.Thread(target=generation.name_conversation, args=(site, turn), daemon=True).start()
