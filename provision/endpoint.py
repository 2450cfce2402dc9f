"""Is a model endpoint what it should be? Asked as its users ask: over HTTP, with the key."""

from __future__ import annotations

from typing import Any

import httpx

from provision.domain.deployment import ModelServer


class EndpointError(Exception):
    """The endpoint does not do its job; the message says what it answered."""


class NotYetError(EndpointError):
    """It may still be starting: nobody answers, or only the gateway does."""


def prove(client: httpx.Client, server: ModelServer, *, prefix: str, width: int | None = None) -> str:
    """Have an endpoint do the one thing it is there for.

    Args:
        client: carries the key, and the place that the requests leave from.
        server: the model that should answer.
        prefix: the URL up to and including ``/v1``.
        width: how many numbers a vector of the embedding model has, ``None`` when not known.

    Returns:
        One line saying what was proven.

    Raises:
        NotYetError: when it does not answer yet.
        EndpointError: when it answers as something else.
    """
    try:
        return _proof(client, server, prefix, width)
    except (AttributeError, KeyError, TypeError) as error:
        raise EndpointError(f"{prefix} answers in another form than vLLM: {error!r}") from error


def _proof(client: httpx.Client, server: ModelServer, prefix: str, width: int | None) -> str:
    name = server.settings.served_name
    models = _ask(client, "GET", f"{prefix}/models").get("data", [])
    entry = next((model for model in models if model.get("id") == name), None)
    if entry is None:
        raise EndpointError(f"{prefix}/models offers {[model.get('id') for model in models]}, not {name}")
    if (length := entry.get("max_model_len")) != server.settings.max_model_len:
        raise EndpointError(f"{name} has max_model_len {length}, not {server.settings.max_model_len}")
    return f"{name}: {_PROOFS[server.role](client, prefix, name, width)}"


def _chat(client: httpx.Client, prefix: str, name: str, width: int | None) -> str:
    del width
    question = {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "ping"}]}
    answer = _ask(client, "POST", f"{prefix}/chat/completions", question)
    if answer.get("usage", {}).get("completion_tokens") != 1:
        raise EndpointError(f"{prefix}/chat/completions gave no token: {answer}")
    return "one token"


def _embed(client: httpx.Client, prefix: str, name: str, width: int | None) -> str:
    answer = _ask(client, "POST", f"{prefix}/embeddings", {"model": name, "input": ["ping"]})
    vectors = [entry.get("embedding", []) for entry in answer.get("data", [])]
    found = len(vectors[0]) if len(vectors) == 1 else 0
    if not found or (width and found != width):
        raise EndpointError(f"{prefix}/embeddings gave {found} numbers instead of {width or 'some'}")
    return f"a vector of {found} numbers"


def _score(client: httpx.Client, prefix: str, name: str, width: int | None) -> str:
    del width
    documents = ["北京是中国的首都。", "今天天气很好。"]
    question = {"model": name, "query": "中国的首都是哪里？", "documents": documents}
    results = _ask(client, "POST", f"{prefix}/rerank", question).get("results", [])
    scores = [result.get("relevance_score") for result in results]
    if {result.get("index") for result in results} != {0, 1} or scores != sorted(scores, reverse=True):
        raise EndpointError(f"{prefix}/rerank gave no ranking of two documents: {results}")
    return "a ranking of two documents"


_PROOFS = {"chat": _chat, "embed": _embed, "score": _score}


def _ask(client: httpx.Client, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        response = client.request(method, url, json=body)
    except httpx.HTTPError as error:
        raise NotYetError(f"{method} {url}: {error}") from error
    if response.status_code != 200:
        kind = NotYetError if response.status_code in (502, 503, 504) else EndpointError
        raise kind(f"{method} {url}: {response.status_code} {response.text[:300]}")
    try:
        answer = response.json()
    except ValueError:
        raise EndpointError(f"{method} {url}: no JSON but {response.text[:300]}") from None
    if not isinstance(answer, dict):
        raise EndpointError(f"{method} {url}: {answer}")
    return answer
