"""A stand-in that is wired but for what its bot should know, and models that tell texts apart.

The models are as simple as can be: vectors count characters, the ranking counts how much of the question a
text has.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from test_client_standin import Door, apply, serving

from lab.dify.standin import api, assembly
from lab.dify.standin.settings import Settings
from provision.dify import Dify
from provision.dify.resources import (
    AdminAccount,
    ApiKey,
    Chatbot,
    DatasetKey,
    DefaultModels,
    Knowledge,
    ModelCredential,
    Plugin,
    Resource,
)
from provision.dify.resources.base import PROVIDER
from provision.domain.knowledge import Document, Source
from provision.domain.wiring.retrieval import Retrieval

KEY, BOT, SIZE, TOP_K = "sk-canary-0123456789", "mofei", 60, 2
RETRIEVAL = Retrieval(PROVIDER, "reranker", TOP_K)
DIMENSIONS = 512
HANDBOOK = (
    Source(
        "rooms.md", "# 房间\n\n服务器机柜在二号楼的地下室里。\n\n咖啡机在三楼的厨房旁边，早上八点以后可以用。"
    ),
    Source("deep/backup.txt", "数据库每天夜里两点做一次备份。\n\n备份保存三十天，然后自动删除。"),
)
_runs = itertools.count()


@dataclass
class Models:
    """The model servers: what they were sent, and whether they answer."""

    embedding_fails: bool = False
    prompts: list[str] = field(default_factory=list)

    async def answer(self, request: Request) -> JSONResponse:
        asked = await request.json()
        task = request.path_params["task"]
        if task == "embeddings":
            if self.embedding_fails:
                return JSONResponse({"error": "CUDA out of memory"}, 500)
            data = [{"index": i, "embedding": _vector(text)} for i, text in enumerate(asked["input"])]
            return JSONResponse({"data": data, "usage": {"total_tokens": 1}})
        if task == "rerank":
            results = [
                {"index": index, "relevance_score": _overlap(asked["query"], text)}
                for index, text in enumerate(asked["documents"])
            ]
            return JSONResponse({"results": results})
        self.prompts.append(asked["messages"][0]["content"])
        message = {"role": "assistant", "content": "It is there."}
        usage = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return JSONResponse({"object": "chat.completion", "choices": choices, "usage": usage})


def _vector(text: str) -> list[float]:
    vector = [0.0] * DIMENSIONS
    for character in text:
        vector[ord(character) % DIMENSIONS] += 1
    return vector


def _overlap(query: str, text: str) -> float:
    return sum((Counter(query) & Counter(text)).values()) / max(1, len(query))


def documents(sources: Sequence[Source] = HANDBOOK) -> list[Document]:
    return [Document.of(source, SIZE) for source in sources]


@dataclass
class Installation:
    """A running stand-in that is wired but for what it should know."""

    url: str
    models_url: str
    door: Door
    models: Models

    def dify(self) -> Dify:
        http = httpx.Client(base_url=self.url, trust_env=False)
        dify = Dify(http, server=f"knowledge {next(_runs)}", sleep=lambda seconds: time.sleep(seconds / 20))
        dify.sign_in("admin@example.com", "Canary-Passw0rd")
        return dify

    def wiring(self, dify: Dify, context: int = 1024) -> list[Resource]:
        endpoint = {"endpoint_url": f"{self.models_url}/v1", "context_size": str(context)}
        many = {**endpoint, "max_chunks": "32"}
        return [
            AdminAccount(dify, "admin@example.com", "Admin", "Canary-Passw0rd"),
            Plugin(dify, "langgenius/openai_api_compatible"),
            ModelCredential(dify, "qwen3", "llm", endpoint, KEY, b"salt"),
            ModelCredential(dify, "bge", "text-embedding", many, KEY, b"salt"),
            ModelCredential(dify, "reranker", "rerank", endpoint, KEY, b"salt"),
            DefaultModels(dify, {"llm": "qwen3", "text-embedding": "bge", "rerank": "reranker"}),
        ]

    def knowing(
        self, dify: Dify, sources: Sequence[Source] = HANDBOOK, name: str = "handbook"
    ) -> list[Resource]:
        """The knowledge, and the bot that searches it."""
        return [DatasetKey(dify), knowledge(dify, sources, name), chatbot(dify, [name]), ApiKey(dify, BOT)]


def knowledge(dify: Dify, sources: Sequence[Source] = HANDBOOK, name: str = "handbook") -> Knowledge:
    return Knowledge(dify, name, documents(sources), SIZE, "bge", RETRIEVAL, timeout=20)


def chatbot(dify: Dify, names: Sequence[str]) -> Chatbot:
    return Chatbot(
        dify, BOT, "d", "🤖", "#FFEAD5", "qwen3", "Be brief.", knowledge=names, retrieval=RETRIEVAL
    )


def assert_settled(there: Installation) -> None:
    """Nothing differs, and applying all the same writes nothing."""
    before, dify = list(there.door.writes), there.dify()
    resources = there.wiring(dify) + there.knowing(dify)
    assert [resource.difference() for resource in resources] == [None] * len(resources)
    for resource in resources:
        resource.apply()
    assert there.door.writes == before


@contextmanager
def wired(settings: Settings) -> Iterator[Installation]:
    """A stand-in with its models connected, and nothing to know yet."""
    door, models = Door(api.app(assembly.site(settings))), Models()
    endpoint = Starlette(routes=[Route("/v1/{task:path}", models.answer, methods=["POST"])])
    with serving(endpoint) as models_url, serving(door) as url:
        there = Installation(url, models_url, door, models)
        apply(there.wiring(there.dify()))
        yield there
