"""What plugin openai_api_compatible 0.0.63 sends to embed and to rank texts (contract 4.5)."""

from __future__ import annotations

from typing import Any

import requests

from . import models
from .failures import INVOKE, DaemonError
from .models import Credentials


def embed(model: str, credentials: Credentials, texts: list[str]) -> list[list[float]]:
    """A vector for each text.

    Raises:
        DaemonError: the endpoint refused, or cannot be reached.
    """
    body: dict[str, Any] = {"model": models.endpoint_model(model, credentials), "input": texts}
    if credentials.get("encoding_format", "not_set") != "not_set":
        body["encoding_format"] = credentials["encoding_format"]
    said = _asked(credentials, "embeddings", body)
    return [item["embedding"] for item in sorted(said["data"], key=lambda item: int(item["index"]))]


def rerank(model: str, credentials: Credentials, query: str, texts: list[str]) -> list[tuple[int, float]]:
    """Index and score of each text, the best first.

    Raises:
        DaemonError: the endpoint refused, or cannot be reached.
    """
    body = {"model": models.endpoint_model(model, credentials), "query": query}
    said = _asked(credentials, "rerank", {**body, "documents": texts, "top_n": len(texts)})
    return [(int(item["index"]), float(item["relevance_score"])) for item in said["results"]]


def _asked(credentials: Credentials, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = requests.post(
            models.join(credentials, path),
            headers=models.headers(credentials),
            json=body,
            timeout=models.POOLING_TIMEOUT,
        )
        if answer.status_code != 200:
            text = f"API request failed with status code {answer.status_code}: {answer.text}"
            raise DaemonError(INVOKE, f"[openai_api_compatible] Error: {text}")
        said: dict[str, Any] = answer.json()
    except (requests.RequestException, ValueError) as error:
        text = f"[openai_api_compatible] Connection Error, {error}"
        raise DaemonError(INVOKE, text) from error
    return said
