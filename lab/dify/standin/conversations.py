"""Conversations, their messages and the people who hold them (recording "conversation…", "messages")."""

from __future__ import annotations

import uuid
from typing import Any

from .call import now
from .context import Site
from .errors import not_found
from .store import Document

UNNAMED = "New conversation"
NO_PARENT = "00000000-0000-0000-0000-000000000000"


def end_user(site: Site, app_id: str, session_id: str) -> Document:
    """The person behind a ``user`` of an app; a new one on first sight."""
    for known in site.store.all("end_user"):
        if (known["app_id"], known["session_id"]) == (app_id, session_id):
            return known
    person = {"id": str(uuid.uuid4()), "app_id": app_id, "session_id": session_id}
    site.store.put("end_user", person["id"], person)
    return person


def start(
    site: Site, app: Document, person: Document, inputs: dict[str, Any], opening: str | None
) -> Document:
    """A new conversation; its first words are the app's opening statement."""
    conversation = {
        "id": str(uuid.uuid4()),
        "app_id": app["id"],
        "end_user_id": person["id"],
        "name": UNNAMED,
        "inputs": inputs,
        "introduction": opening or "",
        "created_at": now(),
        "updated_at": now(),
    }
    site.store.put("conversation", conversation["id"], conversation)
    return conversation


def held_by(site: Site, app: Document, person: Document) -> list[Document]:
    """A person's conversations with an app, the one used last first."""
    mine = [
        c
        for c in site.store.all("conversation")
        if (c["app_id"], c["end_user_id"]) == (app["id"], person["id"])
    ]
    return sorted(mine, key=lambda c: int(c["updated_at"]), reverse=True)


def find(site: Site, app: Document, person: Document, key: str) -> Document:
    """One of a person's conversations.

    Raises:
        ApiError: 404, also for somebody else's.
    """
    for conversation in held_by(site, app, person):
        if conversation["id"] == key:
            return conversation
    raise not_found("Conversation Not Exists.")


def delete(site: Site, conversation: Document) -> None:
    """A conversation with its messages."""
    site.store.delete("conversation", conversation["id"])
    for message in turns(site, conversation["id"]):
        site.store.delete("message", message["id"])


def turns(site: Site, conversation_id: str) -> list[Document]:
    """The messages of a conversation, the oldest first."""
    return [m for m in site.store.all("message") if m["conversation_id"] == conversation_id]


def add_turn(site: Site, conversation: Document, message: Document) -> None:
    site.store.put("message", message["id"], message)
    latest = site.store.get("conversation", conversation["id"])
    if latest:
        site.store.put("conversation", conversation["id"], latest | {"updated_at": now()})


def shown(conversation: Document) -> dict[str, Any]:
    names = ("id", "name", "inputs")
    return {
        **{name: conversation[name] for name in names},
        "status": "normal",
        **{name: conversation[name] for name in ("introduction", "created_at", "updated_at")},
    }


def shown_turn(message: Document) -> dict[str, Any]:
    return {
        "id": message["id"],
        "conversation_id": message["conversation_id"],
        "parent_message_id": NO_PARENT,
        "inputs": message["inputs"],
        "query": message["query"],
        "answer": message["answer"],
        "feedback": None,
        "retriever_resources": [],
        "created_at": message["created_at"],
        "agent_thoughts": [],
        "message_files": [],
        "message_tokens": message["message_tokens"],
        "answer_tokens": message["answer_tokens"],
        "provider_response_latency": message["latency"],
        "total_price": "0E-7",
        "currency": "USD",
        "status": "normal",
        "error": None,
        "extra_contents": [],
        "total_tokens": message["message_tokens"] + message["answer_tokens"],
    }
