"""The chat link in a browser on the LAN: Dify's own page where its images run, else the stand-in's."""

from __future__ import annotations

import pytest

from lab.visitor import visit

pytestmark = pytest.mark.usefixtures("converged")

BOT, QUESTION = "mofei", "中国的首都是哪里？"


def test_a_visitor_is_answered(handover: dict[str, str]) -> None:
    door = handover["Chat link"].partition("/chat/")[0]
    seen = visit(handover["Chat link"], QUESTION)
    assert seen.title.startswith(BOT)  # Dify's own goes on: "- Powered by Dify"
    assert QUESTION not in seen.greeting
    assert QUESTION in seen.shown
    assert seen.answer.strip(), seen.shown
    asked = ("GET {}/api/passport", "GET {}/api/site", "GET {}/api/parameters", "POST {}/api/chat-messages")
    assert {each.format(door) for each in asked} <= set(seen.requests)
