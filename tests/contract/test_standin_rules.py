"""Rules of the real Dify that its recording does not show, or shows only in part, in the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
from test_client_standin import serving

from lab.dify.standin import form, prompts, tokens
from lab.dify.standin.daemon import http, installs, models, packages
from lab.dify.standin.daemon.client import Daemon, LocalDaemon, RemoteDaemon
from lab.dify.standin.daemon.failures import INTERNAL, DaemonError
from lab.dify.standin.daemon.installs import Installs
from lab.dify.standin.daemon.models import Invocation
from lab.dify.standin.daemon.runtimes import Runtimes
from lab.dify.standin.store import MemoryStore

LLM = {"endpoint_url": "http://models.example.com:8001/v1/", "mode": "chat", "context_size": "1024"}


class Endpoint:
    """What was sent to model endpoints, and what they answer."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        self.body = b"{}"

    def post(self, url: str, headers: dict[str, str], json: dict[str, Any], **_: Any) -> requests.Response:
        self.sent.append((url, headers, json))
        answer = requests.Response()
        answer.status_code, answer._content, answer.url = self.status, self.body, url
        return answer


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    fake = Endpoint()
    monkeypatch.setattr(requests, "post", fake.post)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The daemon's time; tests set the only item."""
    now = [1_000_000.0]
    monkeypatch.setattr(installs.time, "time", lambda: now[0])
    return now


def question(**changed: Any) -> Invocation:
    asked = {"model": "m", "credentials": LLM, "messages": [{"role": "user", "content": "hi"}], "user": "u"}
    return Invocation(**{**asked, "parameters": {}, "stop": [], "stream": False, **changed})


def test_a_chat_model_is_validated_with_five_tokens(endpoint: Endpoint) -> None:
    endpoint.body = b'{"object": "chat.completion"}'
    models.validate("llm", "label", LLM | {"api_key": "k", "endpoint_model_name": "served"})
    ping = {"role": "user", "content": "ping"}
    assert endpoint.sent == [
        (
            "http://models.example.com:8001/v1/chat/completions",
            {"Authorization": "Bearer k"},
            {"model": "served", "max_tokens": 5, "messages": [ping]},
        )
    ]


def test_an_embedding_model_is_validated_with_one_text(endpoint: Endpoint) -> None:
    endpoint.body = b'{"data": [{"embedding": [0.1]}]}'
    models.validate("text-embedding", "bge", LLM | {"encoding_format": "not_set"})
    assert endpoint.sent[0][0].endswith("/v1/embeddings")
    assert endpoint.sent[0][2] == {"model": "bge", "input": ["ping"]}


def test_a_rerank_model_is_validated_with_three_texts(endpoint: Endpoint) -> None:
    endpoint.body = b'{"results": [{"index": 0, "relevance_score": 0.5}]}'
    models.validate("rerank", "bge", LLM)
    body = endpoint.sent[0][2]
    assert endpoint.sent[0][0].endswith("/v1/rerank")
    assert (len(body["documents"]), body["top_n"]) == (3, 3)


def test_only_the_extended_mode_switches_thinking_off(endpoint: Endpoint) -> None:
    endpoint.body = b'{"choices": [{"message": {"content": "<think>well</think>\\n\\nyes"}}]}'
    strict = list(models.invoke(question()))
    list(models.invoke(question(credentials=LLM | {"compatibility_mode": "extended"})))
    assert strict[0] == {"text": "yes"}
    assert "chat_template_kwargs" not in endpoint.sent[0][2]
    assert endpoint.sent[1][2]["chat_template_kwargs"] == {"enable_thinking": False}


def test_an_endpoints_refusal_is_told_with_its_text(endpoint: Endpoint) -> None:
    endpoint.status, endpoint.body = 400, b"This model's maximum context length is 1024 tokens"
    with pytest.raises(DaemonError, match="status code 400: This model's maximum context length"):
        list(models.invoke(question()))


def test_max_tokens_leaves_room_for_the_prompt() -> None:
    asked = [{"role": "user", "content": "字" * 100}]
    assert prompts.bounded({"max_tokens": 100}, asked, 1024) == {"max_tokens": 100}
    assert prompts.bounded({"max_tokens": 1024}, asked, 1024) == {"max_tokens": 1024 - 207}
    assert prompts.bounded({"max_tokens": 1024}, asked * 9, 1024) == {"max_tokens": prompts.LEAST_ANSWER}
    assert prompts.bounded({"max_tokens": 1024}, asked * 9, None) == {"max_tokens": 1024}


def test_the_oldest_turns_are_left_out_when_the_context_is_full() -> None:
    history = [{"query": f"q{n}", "answer": "long " * 40} for n in range(3)]
    found = prompts.messages({"pre_prompt": "Be {{tone}}."}, {"tone": "kind"}, "now?", history, 140)
    assert found[0] == {"role": "system", "content": "Be kind."}
    assert [m["content"] for m in found if m["role"] == "user"] == ["q1", "q2", "now?"]


def test_the_last_answer_stays_however_long_it_is() -> None:
    history = [{"query": "q", "answer": "long " * 400}]
    found = prompts.messages({"pre_prompt": ""}, {}, "now?", history, 10)
    assert [m["role"] for m in found] == ["assistant", "user"]


def test_nothing_is_left_out_where_nothing_is_counted() -> None:
    history = [{"query": f"q{n}", "answer": "long " * 400} for n in range(30)]
    assert len(prompts.messages({"pre_prompt": "x"}, {}, "now?", history, None)) == 62


@pytest.mark.parametrize(
    ("key", "shown"),
    [("short", "*" * 20), ("12345678", "*" * 20), ("sk-abcdefghijkl", "sk-abc" + "*" * 12 + "kl")],
)
def test_how_a_key_is_masked(key: str, shown: str) -> None:
    assert form.masked({"api_key": key, "mode": "chat"}) == {"api_key": shown, "mode": "chat"}


def test_a_finished_task_is_deleted_after_a_minute(clock: list[float]) -> None:
    books = Installs(MemoryStore(), seconds=3, verify=True)
    raw = packages.build("langgenius", "openai_api_compatible", "0.0.63", signed=True)
    identifier = books.upload(raw)["unique_identifier"]
    task_id = books.install([identifier], "package")["task_id"]
    seen = []
    for seconds in (0.1, 2, 2, 58):
        clock[0] += seconds
        seen.append(books.task(task_id)["status"])
    clock[0] += 2
    assert seen == ["pending", "running", "success", "success"]
    with pytest.raises(DaemonError, match="record not found"):
        books.task(task_id)
    assert [i["plugin_unique_identifier"] for i in books.installed()] == [identifier]


def test_a_task_that_nobody_followed_has_installed_all_the_same(clock: list[float]) -> None:
    books = Installs(MemoryStore(), seconds=3, verify=True)
    books.accept(identifier := f"langgenius/openai_api_compatible:0.0.63@{'a' * 64}")
    books.install([identifier], "marketplace")
    clock[0] += 3600
    assert [i["version"] for i in books.installed()] == ["0.0.63"]
    assert books.tasks() == []


def test_a_package_that_was_changed_after_signing_is_refused() -> None:
    raw = packages.build("langgenius", "openai_api_compatible", "0.0.63", signed=True)
    assert packages.read(raw).verification
    other = packages.build("langgenius", "openai_api_compatible", "0.0.99", signed=True)
    comment = raw[raw.rindex(b'{"signature"') :]
    forged = other[: other.rindex(b'{"signature"')] + comment
    assert packages.read(forged).verification is None


def test_tokens_of_another_key_or_of_yesterday_are_no_good() -> None:
    assert tokens.verify("key", tokens.issue("key", {"sub": "me"})) == {"sub": "me"}
    assert tokens.verify("key", tokens.issue("other", {"sub": "me"})) is None
    assert tokens.verify("key", tokens.issue("key", {"sub": "me", "exp": 1})) is None
    assert tokens.verify("key", "nonsense") is None


def test_a_daemon_that_has_just_started_has_no_plugin_running() -> None:
    """Its books are open already, behind HTTP as in one process."""
    books, starting = Installs(MemoryStore(), seconds=3, verify=True), Runtimes(60)
    chat = Invocation("m", {}, [], {}, [], stream=False, user="")
    with serving(http.app(books, starting, "key")) as url:
        daemons: list[Daemon] = [LocalDaemon(books, starting), RemoteDaemon(url, "key")]
        for daemon in daemons:
            assert daemon.listed("t") == []
            asked: list[Callable[[], Any]] = [
                partial(daemon.validate, "t", "llm", "m", {}),
                partial(daemon.validate_tool, "t", {}),
                partial(daemon.schema, "t", "llm", "m", {}),
                partial(daemon.embed, "t", "m", {}, ["x"]),
                partial(daemon.rerank, "t", "m", {}, "x", ["x"]),
                lambda daemon=daemon: list(daemon.invoke("t", chat)),
            ]
            for ask in asked:
                with pytest.raises(DaemonError, match="no available node, plugin runtime not found") as told:
                    ask()
                assert told.value.kind == INTERNAL
