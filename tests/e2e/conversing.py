"""Somebody who talks with the bot by its API, and comes back later."""

from __future__ import annotations

import uuid

import httpx

USER = f"drill-{uuid.uuid4()}"


def ask(handover: dict[str, str], conversation: str = "") -> dict[str, str]:
    """A question by the API key, in a conversation that stays."""
    answer = httpx.post(
        f"{handover['API base']}/chat-messages",
        headers={"Authorization": f"Bearer {handover['API key']}"},
        json={"inputs": {}, "query": "你好", "user": USER, "response_mode": "blocking",
              "conversation_id": conversation},
        timeout=120,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return {name: answer.json()[name] for name in ("answer", "conversation_id")}


def conversations(handover: dict[str, str]) -> list[str]:
    found = httpx.get(
        f"{handover['API base']}/conversations",
        params={"user": USER},
        headers={"Authorization": f"Bearer {handover['API key']}"},
    )
    assert found.status_code == 200, found.text
    return [each["id"] for each in found.json()["data"]]
