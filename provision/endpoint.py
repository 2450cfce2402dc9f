"""Is a model endpoint what it should be? Asked as its users ask: over HTTP, with the key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from provision.domain.deployment import ModelServer
from provision.domain.settings import ChatSettings

EMBEDDER = "an embedding model (it answers /v1/embeddings)"
CROSS_ENCODER = "a cross-encoder (it answers /classify)"
KINDS = {"embed": EMBEDDER, "score": CROSS_ENCODER}

_REALM = re.compile(r'realm="([^"]+)"')
_TITLE = re.compile(r"<title>([^<]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Proof:
    """What an endpoint was seen to do.

    Attributes:
        summary: one line of it.
        context_size: tokens that the endpoint itself says its model reads.
        thinks: whether the model thinks aloud where nobody tells it not to, although it should not.
    """

    summary: str
    context_size: int
    thinks: bool = False


class EndpointError(Exception):
    """The endpoint does not do its job; the message says what it answered."""


class NotYetError(EndpointError):
    """It may still be starting: nobody answers, or only the gateway does."""


class NoConnectionError(NotYetError):
    """Nobody answers at all, not even a gateway."""


class AnotherModelError(EndpointError):
    """A model answers, but not the one that should.

    Attributes:
        names: what it is served as.
    """

    def __init__(self, message: str, names: Sequence[str]) -> None:
        self.names = names
        super().__init__(message)


class _KeyRefusedError(EndpointError):
    """It wants another key. ``realm`` is whose gateway it says it is, if it is one of ours."""

    def __init__(self, message: str, response: httpx.Response) -> None:
        match = _REALM.search(response.headers.get("www-authenticate", ""))
        self.realm = match[1] if match else ""
        super().__init__(f"{message} {_said(response)}")


def prove(client: httpx.Client, server: ModelServer, *, prefix: str, width: int | None = None) -> Proof:
    """Have an endpoint do the one thing it is there for.

    Args:
        client: carries the key, and the place that the requests leave from.
        server: the model that should answer.
        prefix: the URL up to and including ``/v1``.
        width: how many numbers a vector of the embedding model has, ``None`` when not known.

    Returns:
        What was proven.

    Raises:
        NotYetError: when it does not answer yet.
        AnotherModelError: when it is the endpoint of another model.
        EndpointError: when it answers as something else.
    """
    try:
        return _proof(client, server, prefix, width)
    except (AttributeError, KeyError, TypeError) as error:
        raise EndpointError(f"{prefix} answers in another form than vLLM: {error!r}") from error


def prove_kind(client: httpx.Client, server: ModelServer) -> None:
    """Ask vLLM itself, past its gateway, whether the model is of its role's kind.

    An embedding model ranks texts too, worse, so that an answer to ``/rerank`` proves nothing. Of a
    cross-encoder ``/classify`` is proof, of an embedding model ``/v1/embeddings``; models of the other kinds
    answer 404 there (seen with 0.32.0, all three roles). Older versions have every route for every model, and
    answer an error, some with a status of 200. So a result is a proof, and its absence is none.

    Args:
        client: its requests leave from the model's own host; no key, vLLM on loopback wants none.
        server: the model that should answer.

    Raises:
        NotYetError: when it does not answer yet.
        EndpointError: when it is of another role's kind.
    """
    base, name = f"http://127.0.0.1:{server.settings.vllm_port}", server.settings.served_name
    _ask(client, "GET", f"{base}/v1/models")
    if _has(client, f"{base}/classify", name, "probs"):
        found = CROSS_ENCODER
    elif _has(client, f"{base}/v1/embeddings", name, "embedding"):
        found = EMBEDDER
    else:
        return
    if found != (wanted := KINDS.get(server.role, "a model that talks")):
        raise EndpointError(
            f"vLLM serves {found}, and not {wanted}; check {server.role}.model and {server.role}.model_path"
        )


def names(client: httpx.Client, prefix: str) -> Sequence[str]:
    """What an endpoint says it is, asked without a key; empty when it does not say.

    Args:
        client: has no key, since it is not known whose endpoint it is.
        prefix: the URL up to and including ``/v1``.
    """
    try:
        models = _ask(client, "GET", f"{prefix}/models").get("data")
    except _KeyRefusedError as error:
        return [error.realm] if error.realm else []
    except EndpointError:
        return []
    return [str(model["id"]) for model in models or [] if isinstance(model, dict) and "id" in model]


def _has(client: httpx.Client, url: str, name: str, result: str) -> bool:
    try:
        answer = _ask(client, "POST", url, {"model": name, "input": "ping"})
    except NotYetError:
        raise
    except EndpointError:
        return False
    entries = answer.get("data")
    first = entries[0] if isinstance(entries, list) and entries else None
    return isinstance(first, dict) and result in first


def _proof(client: httpx.Client, server: ModelServer, prefix: str, width: int | None) -> Proof:
    role, settings = server.role, server.settings
    name = settings.served_name
    try:
        models = _ask(client, "GET", f"{prefix}/models").get("data", [])
    except _KeyRefusedError as error:
        if error.realm and error.realm != name:
            raise AnotherModelError(f"{prefix} is {error.realm}, not {name}", [error.realm]) from None
        whose = f"the gateway of {name} has another one; run the deploy for {server.host} too"
        raise EndpointError(
            f"{prefix} refuses the key of {role}: {whose if error.realm else 'it is no gateway of ours'}"
        ) from None
    entry = next((model for model in models if model.get("id") == name), None)
    if entry is None:
        names = [str(model.get("id")) for model in models]
        raise AnotherModelError(f"{prefix} is {', '.join(names) or 'no model'}, not {name}", names)
    if (length := entry.get("max_model_len")) != settings.max_model_len:
        says = f"with max_model_len {length}" if length else "without saying its max_model_len"
        raise EndpointError(
            f"{prefix} serves {name} {says}, not {role}.max_model_len = {settings.max_model_len}; it is "
            "another server, or an older one that still runs"
        )
    done = f"{name}: {_PROOFS[role](client, prefix, name, width)}"
    thinks = isinstance(settings, ChatSettings) and not settings.thinking and _thinks(client, prefix, name)
    return Proof(done, length, thinks)


def _thinks(client: httpx.Client, prefix: str, name: str) -> bool:
    """Whether a question makes another prompt when its thinking is switched off by the question itself.

    Qwen3's template then puts an empty thought before the answer. So an equal length says that the server
    has it switched off already (or that this model knows no such switch).
    """
    plain, off = (
        _ask(client, "POST", f"{prefix}/chat/completions", {**_question(name), **more})["usage"]
        for more in ({}, {"chat_template_kwargs": {"enable_thinking": False}})
    )
    return bool(plain.get("prompt_tokens") != off.get("prompt_tokens"))


def _chat(client: httpx.Client, prefix: str, name: str, width: int | None) -> str:
    del width
    answer = _ask(client, "POST", f"{prefix}/chat/completions", _question(name))
    if answer.get("usage", {}).get("completion_tokens") != 1:
        raise EndpointError(f"{prefix}/chat/completions gave no token: {answer}")
    return "one token"


def _question(name: str) -> dict[str, Any]:
    return {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "ping"}]}


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
        raise NoConnectionError(f"{method} {url}: {error}") from error
    status = response.status_code
    if status == 401:
        raise _KeyRefusedError(f"{method} {url}: 401", response)
    if status != 200:
        kind = NotYetError if status in (502, 503, 504) else EndpointError
        raise kind(f"{method} {url}: {status} {_said(response)}")
    try:
        answer = response.json()
    except ValueError:
        raise EndpointError(f"{method} {url}: no JSON but {_said(response)}") from None
    if not isinstance(answer, dict):
        raise EndpointError(f"{method} {url}: {answer}")
    return answer


def _said(response: httpx.Response) -> str:
    """What came instead of an answer, short."""
    if target := response.headers.get("location"):
        return f"sends on to {target}, where Dify would not follow"
    text = response.text.strip()
    if not text.startswith("<"):
        return text[:300]
    title = _TITLE.search(text)
    return f"a page of HTML{f' ({title[1].strip()[:80]})' if title else ''}; a proxy answers, not vLLM"
