"""An endpoint is what it should be, or the message says what it is instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from provision.domain.deployment import ModelServer
from provision.domain.settings import ChatSettings, EmbedSettings, ModelRole, ScoreSettings, ServingSettings
from provision.endpoint import AnotherModelError, EndpointError, NotYetError, Proof, names, prove, prove_kind

PREFIX = "http://i-2.gpushare.com:42141/v1"
MODELS = {"chat": ChatSettings(), "embed": EmbedSettings(), "score": ScoreSettings()}
DEFAULT_404 = {"detail": "Not Found"}


def server(role: ModelRole) -> ModelServer:
    return ModelServer(role, f"gpu-{role}", MODELS[role], ServingSettings(), PREFIX)


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


def always(status: int, body: Any = "", **headers: str) -> httpx.Client:
    content = body if isinstance(body, str) else json.dumps(body)
    return client(lambda _: httpx.Response(status, text=content, headers=headers))


def vllm(role: ModelRole, **changed: Any) -> Callable[[httpx.Request], httpx.Response]:
    """vLLM 0.32.0 as it answered in each role, behind a gateway or not."""
    settings = MODELS[role]
    entry = {"id": settings.served_name, "max_model_len": settings.max_model_len, **changed}
    ranking = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
    answers: dict[str, Any] = {"/v1/models": {"object": "list", "data": [entry]}}
    if role == "chat":
        answers["/v1/chat/completions"] = {"usage": {"completion_tokens": 1}}
    elif role == "embed":
        answers["/v1/embeddings"] = {"data": [{"index": 0, "embedding": [0.1, 0.2, 0.3]}]}
        answers["/v1/rerank"] = ranking
    else:
        answers["/classify"] = {"data": [{"index": 0, "label": "LABEL_0", "probs": [0.04], "num_classes": 1}]}
        answers["/v1/rerank"] = ranking

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path in answers:
            return httpx.Response(200, json=answers[request.url.path])
        return httpx.Response(404, json=DEFAULT_404)

    return answer


def gateway(role: ModelRole, key: str) -> Callable[[httpx.Request], httpx.Response]:
    """Ours, with the key that it knows."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") == f"Bearer {key}":
            return vllm(role)(request)
        realm = {"WWW-Authenticate": f'Bearer realm="{MODELS[role].served_name}"'}
        body = {
            "error": {"message": "Unauthorized", "type": "AuthenticationError", "param": None, "code": 401}
        }
        return httpx.Response(401, json=body, headers=realm)

    return answer


def said(http: httpx.Client, role: ModelRole = "embed", width: int | None = None) -> str:
    with pytest.raises(EndpointError) as error:
        prove(http, server(role), prefix=PREFIX, width=width)
    return str(error.value)


@pytest.mark.parametrize(
    ("role", "proof"),
    [
        ("chat", "qwen3-0.6b: one token"),
        ("embed", "bge-base-zh-v1.5: a vector of 3 numbers"),
        ("score", "bge-reranker-base: a ranking of two documents"),
    ],
)
def test_each_role_as_it_should_be(role: ModelRole, proof: str) -> None:
    assert prove(client(vllm(role)), server(role), prefix=PREFIX) == Proof(proof, MODELS[role].max_model_len)
    prove_kind(client(vllm(role)), server(role))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_not_yet(status: int) -> None:
    with pytest.raises(NotYetError, match=f"GET {PREFIX}/models: {status}"):
        prove(always(status), server("embed"), prefix=PREFIX)


def test_nobody_answers() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    with pytest.raises(NotYetError, match="connection refused"):
        prove(client(refuse), server("embed"), prefix=PREFIX)
    with pytest.raises(NotYetError, match="connection refused"):
        prove_kind(client(refuse), server("embed"))
    assert names(client(refuse), PREFIX) == []


def test_the_gateway_of_another_model() -> None:
    """Swapped endpoints: each role has its own key, so the gateway refuses, and says whose it is."""
    http = client(gateway("score", "key of score"))
    http.headers["Authorization"] = "Bearer key of embed"
    with pytest.raises(AnotherModelError) as error:
        prove(http, server("embed"), prefix=PREFIX)
    assert str(error.value) == f"{PREFIX} is bge-reranker-base, not bge-base-zh-v1.5"
    assert error.value.names == ["bge-reranker-base"]


def test_another_model_that_takes_the_key() -> None:
    with pytest.raises(AnotherModelError) as error:
        prove(client(vllm("score")), server("embed"), prefix=PREFIX)
    assert error.value.names == ["bge-reranker-base"]
    with pytest.raises(AnotherModelError, match="is no model, not bge-base-zh"):
        prove(always(200, {"data": []}), server("embed"), prefix=PREFIX)


def test_names_are_asked_without_a_key() -> None:
    assert names(client(gateway("score", "k")), PREFIX) == ["bge-reranker-base"]
    assert names(client(vllm("embed")), PREFIX) == ["bge-base-zh-v1.5"]
    assert names(always(401, "no"), PREFIX) == []
    assert names(always(200, "<html>"), PREFIX) == []
    assert names(always(200, {"data": ["odd", {}]}), PREFIX) == []


def test_a_wrong_key() -> None:
    assert said(client(gateway("embed", "another"))) == (
        f"{PREFIX} refuses the key of embed: the gateway of bge-base-zh-v1.5 has another one; run the deploy "
        "for gpu-embed too"
    )
    assert said(always(401, {"error": "Unauthorized"})) == (
        f"{PREFIX} refuses the key of embed: it is no gateway of ours"
    )


def test_another_length() -> None:
    assert said(client(vllm("embed", max_model_len=256))) == (
        f"{PREFIX} serves bge-base-zh-v1.5 with max_model_len 256, not embed.max_model_len = 512; it is "
        "another server, or an older one that still runs"
    )


def test_a_server_that_does_not_say_its_length() -> None:
    assert (
        f"{PREFIX} serves bge-base-zh-v1.5 without saying its max_model_len, not embed.max_model_len"
        in said(client(vllm("embed", max_model_len=None)))
    )


@pytest.mark.parametrize(("switched_off", "thinking"), [(False, False), (True, False), (False, True)])
def test_whether_a_server_lets_the_model_think(switched_off: bool, thinking: bool) -> None:
    """An empty thought is four tokens of the prompt, whoever asks for it."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1/chat/completions":
            return vllm("chat")(request)
        kwargs = json.loads(request.content).get(
            "chat_template_kwargs", {"enable_thinking": not switched_off}
        )
        used = {"completion_tokens": 1, "prompt_tokens": 9 if kwargs["enable_thinking"] else 13}
        return httpx.Response(200, json={"usage": used})

    asked = ModelServer("chat", "gpu", ChatSettings(thinking=thinking), ServingSettings(), PREFIX)
    assert prove(client(answer), asked, prefix=PREFIX).thinks == (not switched_off and not thinking)


def test_a_page_of_some_proxy() -> None:
    page = "<!DOCTYPE html><html><head><title>\n登录 gpushare</title></head><body>…</body></html>"
    assert said(always(200, page)) == (
        f"GET {PREFIX}/models: no JSON but a page of HTML (登录 gpushare); a proxy answers, not vLLM"
    )
    assert "403 a page of HTML; a proxy answers" in said(always(403, "<html><body>no</body></html>"))
    sent_on = always(301, "<html></html>", location="https://i-2.gpushare.com/v1/models")
    assert "301 sends on to https://i-2.gpushare.com/v1/models, where Dify would not follow" in said(sent_on)


@pytest.mark.parametrize("body", [[], "null", {"data": None}, {"data": ["x"]}, {"data": {"id": 1}}])
def test_json_of_another_form(body: Any) -> None:
    assert PREFIX in said(always(200, body))


def test_vectors_of_another_width() -> None:
    assert said(client(vllm("embed")), width=768) == f"{PREFIX}/embeddings gave 3 numbers instead of 768"


@pytest.mark.parametrize(
    ("role", "serves", "message"),
    [
        ("embed", "score", "a cross-encoder (it answers /classify), and not an embedding model"),
        ("chat", "score", "a cross-encoder (it answers /classify), and not a model that talks"),
        ("score", "embed", "an embedding model (it answers /v1/embeddings), and not a cross-encoder"),
        ("chat", "embed", "an embedding model (it answers /v1/embeddings), and not a model that talks"),
    ],
)
def test_a_model_of_another_kind(role: ModelRole, serves: ModelRole, message: str) -> None:
    with pytest.raises(EndpointError) as error:
        prove_kind(client(vllm(serves)), server(role))
    assert str(error.value).startswith(f"vLLM serves {message}")
    assert str(error.value).endswith(f"check {role}.model and {role}.model_path")


@pytest.mark.parametrize("status", [200, 400, 404, 501])
def test_a_route_without_a_result_proves_nothing(status: int) -> None:
    """Older versions have every route for every model, and say so with one status or another."""
    error = {"object": "error", "message": "The model does not support Classification API", "code": 400}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/classify":
            return httpx.Response(status, json=error)
        return vllm("embed")(request)

    prove_kind(client(answer), server("embed"))
