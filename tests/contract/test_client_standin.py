"""The client against the lab's stand-in for Dify, over a socket: wired once, then nothing to do."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import client_matrix
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.dify.standin import api, assembly
from lab.dify.standin.settings import Settings
from provision.dify import Dify, DifyError, wait_until_ready
from provision.dify.resources import (
    AdminAccount,
    ApiKey,
    Chatbot,
    DefaultModels,
    ModelCredential,
    Plugin,
    PluginAutoUpgrade,
    Resource,
    SiteAndApi,
    StrayModels,
)
from provision.dify.resources.base import PROVIDER
from provision.domain.wiring.versions import Version

EMAIL, PASSWORD, INIT_PASSWORD = "admin@example.com", "Canary-Passw0rd", "canary-init"
KEY = "sk-canary-0123456789"
BOT = "mofei"
# Requests that are no GET and yet change nothing of Dify's configuration.
NO_WRITES = ("/list/installations/ids", "/list/latest-versions", "/login", "/chat-messages", "/retrieve")
_runs = itertools.count()


@dataclass
class Door:
    """Lets everything through to the application and remembers what would change something."""

    app: ASGIApp
    writes: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "GET" and not scope["path"].endswith(NO_WRITES):
            self.writes.append(f"{scope['method']} {scope['path']}")
        await self.app(scope, receive, send)


def pieces(*texts: str) -> Iterator[str]:
    """An answer as vLLM streams it."""
    for text in texts:
        yield f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n"
    usage = {"prompt_tokens": 12, "completion_tokens": 4}
    yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"


async def model_endpoint(request: Request) -> Response:
    """All three kinds of a model server, behind one key."""
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return JSONResponse({"error": "Unauthorized"}, 401)
    task = request.path_params["task"]
    if task == "embeddings":
        return JSONResponse({"data": [{"index": 0, "embedding": [0.0] * 8}], "usage": {"total_tokens": 1}})
    if task == "rerank":
        return JSONResponse({"results": [{"index": 0, "relevance_score": 0.5}]})
    if (await request.json()).get("stream"):
        return StreamingResponse(pieces("I am ", "here."), media_type="text/event-stream")
    message = {"role": "assistant", "content": "I am here."}
    usage = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return JSONResponse({"object": "chat.completion", "choices": choices, "usage": usage})


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of the loopback; yields its root URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@dataclass
class Installation:
    """A running stand-in and the models it can reach."""

    url: str
    models: str
    door: Door

    def dify(self, password: str = PASSWORD) -> Dify:
        http = httpx.Client(base_url=self.url, trust_env=False)
        dify = Dify(http, server=f"standin {next(_runs)}", sleep=lambda seconds: time.sleep(seconds / 20))
        dify.sign_in(EMAIL, password)
        return dify

    def resources(self, dify: Dify, key: str = KEY, prompt: str = "Be brief.") -> list[Resource]:
        endpoint = {"endpoint_url": f"{self.models}/v1", "context_size": "1024"}
        return [
            AdminAccount(dify, EMAIL, "Admin", PASSWORD, INIT_PASSWORD, "zh-Hans"),
            Plugin(dify, "langgenius/openai_api_compatible"),
            PluginAutoUpgrade(dify),
            ModelCredential(
                dify, "qwen3-0.6b", "llm", {**endpoint, "compatibility_mode": "extended"}, key, b"salt"
            ),
            ModelCredential(dify, "bge", "text-embedding", {**endpoint, "max_chunks": "32"}, key, b"salt"),
            ModelCredential(dify, "reranker", "rerank", endpoint, key, b"salt"),
            DefaultModels(dify, {"llm": "qwen3-0.6b", "text-embedding": "bge", "rerank": "reranker"}),
            Chatbot(
                dify,
                BOT,
                "managed by the tests",
                "🤖",
                "#FFEAD5",
                "qwen3-0.6b",
                prompt,
                {"temperature": 0.6, "top_p": 0.95, "max_tokens": 512},
                "你好！",
                ["你是谁？"],
            ),
            SiteAndApi(dify, BOT),
            ApiKey(dify, BOT),
        ]


def apply(resources: list[Resource]) -> list[str]:
    """Apply what differs, as an operation does; returns the titles of what was applied."""
    applied = []
    for resource in resources:
        if resource.difference() is not None:
            resource.apply()
            applied.append(resource.title)
    return applied


# On each side of everything that makes the client speak otherwise, and all that the matrix has.
# Each of them in the full matrix; else the ones that a real server was recorded of, and the newest.
VERSIONS = [
    version
    if version in ("1.3.1", "1.9.2", "1.12.1", "1.16.1", "1.17.1")
    else pytest.param(version, marks=pytest.mark.full)
    for version in (*client_matrix.versions(), "1.14.2", "1.15.0", "1.16.1", "1.17.1")
]


@pytest.fixture(scope="module", params=VERSIONS)
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    storage: Path = tmp_path_factory.mktemp("storage")
    settings = Settings(
        version=request.param, init_password=INIT_PASSWORD, storage=str(storage), install_seconds=0.2
    )
    door = Door(api.app(assembly.site(settings)))
    models = Starlette(routes=[Route("/v1/{task:path}", model_endpoint, methods=["POST"])])
    with serving(models) as model_url, serving(door) as url:
        there = Installation(url, model_url, door)
        dify = there.dify()
        wait_until_ready(dify, 10)
        assert str(dify.version) == request.param
        applied = apply(there.resources(dify))
        assert len(applied) >= 7, applied
        yield there


def test_second_run_has_nothing_to_do(installation: Installation) -> None:
    before = list(installation.door.writes)
    resources = installation.resources(installation.dify())
    assert {resource.title: resource.difference() for resource in resources} == {
        resource.title: None for resource in resources
    }
    for resource in resources:
        resource.apply()
    assert installation.door.writes == before


def test_bot_answers_and_leaves_no_trace(installation: Installation) -> None:
    dify = installation.dify()
    key = dify.apps.api_key(BOT)
    answer = dify.service.ask(key, "Are you there?", "provisioner")
    assert answer.text == "I am here."
    assert answer.prompt_tokens > 0
    streamed = dify.service.ask_streaming(key, "Are you there?", "provisioner")
    assert (streamed.text, streamed.prompt_tokens) == (answer.text, answer.prompt_tokens)
    assert streamed.conversation_id != answer.conversation_id
    dify.service.delete_conversation(key, streamed.conversation_id, "provisioner")
    dify.service.delete_conversation(key, answer.conversation_id, "provisioner")
    dify.service.delete_conversation(key, answer.conversation_id, "provisioner")
    assert dify.service.link_works(dify.apps.require(BOT).link_code)
    assert not dify.service.link_works("no-such-code")
    with pytest.raises(DifyError, match="revoked"):
        dify.service.ask("app-unknown", "Are you there?", "provisioner")


def test_a_key_is_added_and_revoked(installation: Installation) -> None:
    dify = installation.dify()
    app = dify.apps.require(BOT)
    [first] = dify.apps.api_keys(app)
    while int(time.time()) == first.created_at:
        time.sleep(0.05)  # of two of the same second none is the older one
    dify.apps.create_api_key("Make one", app)
    _, second = dify.apps.api_keys(app)
    assert dify.service.ask(second.token, "Are you there?", "provisioner").text
    assert dify.apps.api_key(BOT) == first.token, "the oldest stays the one that is handed over"
    for _ in range(2):
        dify.apps.revoke_api_key("Revoke it", app, second)
    with pytest.raises(DifyError, match="revoked"):
        dify.service.ask(second.token, "Are you there?", "provisioner")
    assert dify.apps.api_keys(app) == [first]


def test_a_model_that_left_is_told_and_removed_on_request(installation: Installation) -> None:
    dify = installation.dify()
    endpoint = {"endpoint_url": f"{installation.models}/v1", "context_size": "1024"}
    gone = ModelCredential(dify, "old-qwen", "llm", endpoint, KEY, b"salt")
    gone.apply()
    path = f"workspaces/current/model-providers/{PROVIDER}/models"
    path += "/credentials" if dify.version >= Version(1, 8, 0) else ""
    by_hand = {
        "model": "by-hand",
        "model_type": "llm",
        "name": "mine",
        "credentials": {**endpoint, "api_key": KEY},
    }
    dify.console.send("By hand", "POST", path, body=by_hand)
    wanted = [("llm", "qwen3-0.6b"), ("text-embedding", "bge"), ("rerank", "reranker")]
    said: list[str] = []
    told = StrayModels(dify, wanted, report=said.append)
    assert told.difference() is None
    assert said == ["old-qwen (llm) is connected but not in the inventory; dify.prune removes it"]
    before = list(installation.door.writes)
    told.apply()
    assert installation.door.writes == before

    pruned = StrayModels(dify, wanted, prune=True)
    assert pruned.difference() == "to remove: old-qwen (llm)"
    pruned.apply()
    assert pruned.difference() is None
    assert installation.door.writes[len(before) :] == [f"DELETE /console/api/{path}"]
    assert StrayModels(dify, [], prune=True).difference() == (
        "to remove: qwen3-0.6b (llm), reranker (rerank), bge (text-embedding)"
    )
    assert gone.difference() == "the model has no credential", "it is wanted again"


def test_changed_prompt_changes_the_bot_alone(installation: Installation) -> None:
    dify = installation.dify()
    applied = apply(installation.resources(dify, prompt="Be verbose."))
    assert applied == [f"Publish the chatbot {BOT}"]
    assert installation.door.writes[-1].endswith("/model-config")
    assert apply(installation.resources(dify)) == applied, "and back"


def test_refused_key_is_told_and_nothing_is_stored(installation: Installation) -> None:
    dify = installation.dify()
    credential = installation.resources(dify, key="sk-canary-wrong-1")[3]
    assert "the API key is another" in (credential.difference() or "")
    with pytest.raises(DifyError, match="status code 401") as refused:
        credential.apply()
    assert "canary" not in str(refused.value)
    assert installation.resources(dify)[3].difference() is None


def test_hand_made_changes_are_undone(installation: Installation) -> None:
    dify = installation.dify()
    app = dify.apps.require(BOT)
    dify.console.send("Switch it off", "POST", f"apps/{app.id}/site-enable", body={"enable_site": False})
    assert not dify.service.link_works(app.link_code)
    assert apply(installation.resources(dify)) == [f"Switch on the page and the API of {BOT}"]
    assert dify.service.link_works(app.link_code)


def test_wrong_password_stops_at_once(installation: Installation) -> None:
    dify = installation.dify(password="Wrong-Passw0rd")
    for _ in range(2):
        with pytest.raises(DifyError, match="password"):
            dify.apps.find(BOT)
