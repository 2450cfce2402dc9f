"""A conversation of ten turns in a small context: what Dify sends, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from knowledge_scenario import Installation, Models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from test_client_standin import Door, apply, serving

from lab.dify.standin import api, assembly
from lab.dify.standin.settings import Settings
from provision.dify import Dify, DifyError
from provision.dify.resources import ApiKey, Chatbot
from provision.domain.budget import ANSWER, TEMPLATE
from provision.domain.deployment import deployment
from provision.templates import text

CONTEXT, TURNS = 1024, 10
BOT = deployment(
    {"chat": ["a"], "dify": ["d"]}, {"a": {"ssh_hostname": "10.0.0.1"}, "d": {"ssh_hostname": "10.0.0.2"}}
).dify.bot
PROMPT = text(BOT.prompt).strip()
# As much as the model may say.
LANGUAGES = {
    "Chinese": ("年假怎么算？", "年假五天" * (BOT.max_tokens * 3 // 8)),
    "English": ("Why?", "leave " * BOT.max_tokens),
}


@dataclass
class Chat(Models):
    """A chat model that says all it may, and refuses what it cannot read, as vLLM does."""

    says: str = ""
    allowed: list[int] = field(default_factory=list)

    async def answer(self, request: Request) -> JSONResponse:
        if request.path_params["task"] != "chat/completions":
            return await super().answer(request)
        asked = await request.json()
        read = TEMPLATE + sum(4 + _length(message["content"]) for message in asked["messages"])
        if read + asked["max_tokens"] > CONTEXT:
            problem = f"This model's maximum context length is {CONTEXT} tokens. However, you requested more."
            return JSONResponse({"error": {"message": problem}}, 400)
        self.allowed.append(asked["max_tokens"])
        message = {"role": "assistant", "content": self.says}
        return JSONResponse(
            {"object": "chat.completion", "choices": [{"index": 0, "message": message}], "usage": {}}
        )


def _length(content: str) -> int:
    """Qwen3 takes 1.5 Chinese characters for a token, and about one English word."""
    return len(content.split()) if content.isascii() else len(content) * 2 // 3


@contextmanager
def conversing(folder: Path, says: str, *, counts: bool, version: str) -> Iterator[tuple[Dify, Chat]]:
    """The bot with the defaults, and the model behind it."""
    settings = Settings(version=version, storage=str(folder), install_seconds=0.1, counts_tokens=counts)
    door, chat = Door(api.app(assembly.site(settings))), Chat(says=says)
    endpoint = Starlette(routes=[Route("/v1/{task:path}", chat.answer, methods=["POST"])])
    with serving(endpoint) as models_url, serving(door) as url:
        there = Installation(url, models_url, door, chat)
        dify = there.dify()
        wiring = there.wiring(dify, CONTEXT)
        bot = Chatbot(dify, BOT.name, "d", "🤖", "#FFEAD5", "qwen3", PROMPT, {"max_tokens": BOT.max_tokens})
        apply([*wiring, bot, ApiKey(dify, BOT.name)])
        chat.allowed.clear()
        yield dify, chat


def turns(dify: Dify, question: str) -> None:
    key, conversation = dify.apps.api_key(BOT.name), ""
    for _ in range(TURNS):
        conversation = dify.service.ask(key, question, "me", conversation).conversation_id


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("version", ["1.3.1", "1.16.1"])
def test_ten_turns_of_the_longest_answers_fit_the_default_context(
    tmp_path: Path, language: str, version: str
) -> None:
    question, says = LANGUAGES[language]
    with conversing(tmp_path, says, counts=True, version=version) as (dify, chat):
        turns(dify, question)
        assert len(chat.allowed) == TURNS
        assert min(chat.allowed) >= ANSWER


def test_where_dify_does_not_count_the_endpoint_refuses_the_conversation(tmp_path: Path) -> None:
    question, says = LANGUAGES["Chinese"]
    with conversing(tmp_path, says, counts=False, version="1.16.1") as (dify, chat):
        with pytest.raises(DifyError, match="maximum context length") as refused:
            turns(dify, question)
        assert refused.value.status == 400
        assert set(chat.allowed) == {BOT.max_tokens}
        assert len(chat.allowed) > 1
