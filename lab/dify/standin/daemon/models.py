"""What plugin openai_api_compatible 0.0.63 sends to a model endpoint (contract 4.5; dify_plugin's source).

The requests go out through the ``requests`` library, as the plugin's do, so that the texts of failures are
the same ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from .failures import INVOKE, VALIDATION, DaemonError

LLM_TIMEOUT = (10, 300)  # seconds to connect, seconds between two bytes
POOLING_TIMEOUT = 60
VALIDATION_TOKENS = 5
STREAMED_VALIDATION_TOKENS = 10
THOUGHTS = re.compile(r"<think>.*?</think>\s*", re.DOTALL)
RERANK_QUERY = "Which town is the seat of the state's government?"
RERANK_DOCUMENTS = (
    "Carson City is where Nevada's government sits.",
    "Saipan is the largest of the Northern Mariana Islands.",
    "The coffee machine is on the second floor.",
)

Credentials = dict[str, str]


@dataclass(frozen=True)
class Invocation:
    """One question to a chat model.

    Args:
        parameters: ``temperature``, ``max_tokens`` and the like, already by name of the endpoint.
        user: who asks; sent unless the credentials say no.
    """

    model: str
    credentials: Credentials
    messages: list[dict[str, str]]
    parameters: dict[str, Any]
    stop: list[str]
    stream: bool
    user: str


def validate(model_type: str, model: str, credentials: Credentials) -> None:
    """Ask the endpoint whether these credentials work.

    Raises:
        DaemonError: they do not; the text is the plugin's.
    """
    checks = {"llm": _validate_chat, "text-embedding": _validate_embedding, "rerank": _validate_rerank}
    try:
        checks[model_type](model, credentials)
    except KeyError as error:
        raise DaemonError(VALIDATION, f"model type {model_type} is beyond the lab's stand-in") from error


def schema(model_type: str, model: str, credentials: Credentials) -> dict[str, Any]:
    """What the plugin derives from credentials (it always says one chunk, whatever ``max_chunks`` is)."""
    del model
    if model_type == "llm":
        size = int(credentials.get("context_size", 4096))
        return {"context_size": size, "mode": credentials.get("mode", "chat")}
    if model_type == "text-embedding":
        return {"context_size": int(credentials.get("context_size", 512)), "max_chunks": 1}
    return {}


def invoke(asked: Invocation) -> Iterator[dict[str, Any]]:
    """The answer's pieces, ``{"text"}``, and at last ``{"usage"}``.

    Raises:
        DaemonError: the endpoint refused, cannot be reached, or broke off.
    """
    body: dict[str, Any] = {
        "model": endpoint_model(asked.model, asked.credentials),
        "stream": asked.stream,
        **_renamed(asked.parameters, asked.credentials),
        **_thinking(asked.credentials),
        "messages": asked.messages,
    }
    if asked.stop:
        body["stop"] = asked.stop
    if asked.user and asked.credentials.get("user_identity_support") != "no_support":
        body["user"] = asked.user
    if asked.stream and asked.credentials.get("stream_include_usage") != "disabled":
        body["stream_options"] = {"include_usage": True}
    try:
        yield from _answers(asked, body)
    except requests.RequestException as error:
        text = f"[openai_api_compatible] Server Unavailable Error, {error}"
        raise DaemonError(INVOKE, text) from error


def _answers(asked: Invocation, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    url = join(asked.credentials, "chat/completions")
    sent = headers(asked.credentials)
    with requests.post(url, headers=sent, json=body, timeout=LLM_TIMEOUT, stream=asked.stream) as answer:
        if answer.status_code != 200:
            text = f"API request failed with status code {answer.status_code}: {answer.text}"
            raise DaemonError(INVOKE, f"[openai_api_compatible] Error: {text}")
        answer.encoding = "utf-8"
        yield from _streamed(answer) if asked.stream else _whole(answer, asked)


def _whole(answer: requests.Response, asked: Invocation) -> Iterator[dict[str, Any]]:
    said = answer.json()
    text = said["choices"][0]["message"]["content"] or ""
    yield {"text": _without_thoughts(text, asked.credentials)}
    yield {"usage": said.get("usage") or {}}


def _streamed(answer: requests.Response) -> Iterator[dict[str, Any]]:
    usage: dict[str, Any] = {}
    thinking = False
    for line in answer.iter_lines(decode_unicode=True):
        data = str(line).removeprefix("data:").strip()
        if not data or data == "[DONE]" or not str(line).startswith("data:"):
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            raise DaemonError(INVOKE, f"[openai_api_compatible] Error: {chunk['error']}")
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices", []):
            text = (choice.get("delta") or {}).get("content") or ""
            # The opening and the closing mark are tokens of their own in Qwen3's vocabulary.
            thinking = (thinking or "<think>" in text) and "</think>" not in text
            if text and not thinking and "</think>" not in text:
                yield {"text": text}
    yield {"usage": usage}


def _validate_chat(model: str, credentials: Credentials) -> None:
    streamed = credentials.get("stream_mode_auth") == "use"
    chat = credentials["mode"] != "completion"
    prompt: dict[str, Any] = (
        {"messages": [{"role": "user", "content": "ping"}]} if chat else {"prompt": "ping"}
    )
    body = {
        "model": endpoint_model(model, credentials),
        "max_tokens": STREAMED_VALIDATION_TOKENS if streamed else VALIDATION_TOKENS,
        **prompt,
        **_thinking(credentials),
        **({"stream": True} if streamed else {}),
    }
    url = join(credentials, "chat/completions" if chat else "completions")
    try:
        with requests.post(
            url, headers=headers(credentials), json=body, timeout=LLM_TIMEOUT, stream=streamed
        ) as answer:
            problem = _chat_problem(answer, streamed, "chat.completion" if chat else "text_completion")
    except requests.RequestException as error:
        problem = f"An error occurred during credentials validation: {error}"
    if problem:
        raise DaemonError(VALIDATION, problem)


def _chat_problem(answer: requests.Response, streamed: bool, wanted: str) -> str:
    if answer.status_code != 200:
        return (
            f"Credentials validation failed with status code {answer.status_code} "
            f"and response body {answer.text}"
        )
    if streamed:
        return ""
    try:
        said = answer.json()
    except ValueError:
        return f"Credentials validation failed: JSON decode error, response body {answer.text}"
    if said.get("object", "") in {"", wanted}:
        return ""
    return (
        f"Credentials validation failed: invalid response object, must be '{wanted}', "
        f"response body {answer.text}"
    )


def _validate_embedding(model: str, credentials: Credentials) -> None:
    body: dict[str, Any] = {"model": endpoint_model(model, credentials), "input": ["ping"]}
    if credentials.get("encoding_format", "not_set") != "not_set":
        body["encoding_format"] = credentials["encoding_format"]
    said = _pooled(credentials, "embeddings", body)
    if not said.get("data"):
        raise DaemonError(
            VALIDATION, f"Credentials validation failed: no embedding in {json.dumps(said)[:200]}"
        )


def _validate_rerank(model: str, credentials: Credentials) -> None:
    body = {
        "model": endpoint_model(model, credentials),
        "query": RERANK_QUERY,
        "documents": list(RERANK_DOCUMENTS),
        "top_n": len(RERANK_DOCUMENTS),
    }
    said = _pooled(credentials, "rerank", body)
    try:
        [(found["index"], found["relevance_score"]) for found in said["results"]]
    except (KeyError, TypeError) as error:
        raise DaemonError(VALIDATION, str(error)) from error


def _pooled(credentials: Credentials, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = requests.post(
            join(credentials, path), headers=headers(credentials), json=body, timeout=POOLING_TIMEOUT
        )
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise DaemonError(VALIDATION, str(error)) from error
    return said


def endpoint_model(model: str, credentials: Credentials) -> str:
    """The name that is sent for a model."""
    return credentials.get("endpoint_model_name") or model


def join(credentials: Credentials, path: str) -> str:
    """A path at the endpoint."""
    return f"{credentials['endpoint_url'].rstrip('/')}/{path}"


def headers(credentials: Credentials) -> dict[str, str]:
    """The key, where there is one."""
    key = credentials.get("api_key")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _renamed(parameters: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
    if credentials.get("token_param_name") != "max_completion_tokens" or "max_tokens" not in parameters:
        return parameters
    rest = {name: value for name, value in parameters.items() if name != "max_tokens"}
    return rest | {"max_completion_tokens": parameters["max_tokens"]}


def _thinking(credentials: Credentials) -> dict[str, Any]:
    """Only the extended mode really switches thinking off; the strict one cuts it from the answer."""
    if credentials.get("compatibility_mode") != "extended":
        return {}
    if credentials.get("agent_thought_support", "not_supported") != "not_supported":
        return {}
    return {"chat_template_kwargs": {"enable_thinking": False}}


def _without_thoughts(text: str, credentials: Credentials) -> str:
    if credentials.get("agent_thought_support", "not_supported") != "not_supported":
        return text
    return THOUGHTS.sub("", text)
