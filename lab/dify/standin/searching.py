"""Chunks near a question, ranked (``core/rag/datasource/retrieval_service.py``, ``dataset_retrieval.py``).

The lab searches by meaning whatever method is set; keywords are beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import dataset_shapes, dataset_store, model_store
from .context import Site
from .daemon.failures import INTERNAL, DaemonError, DaemonUnreachableError
from .errors import ApiError, error, invalid_param
from .store import Document


@dataclass(frozen=True)
class Found:
    """A chunk, and how well it fits."""

    chunk: Document
    document: Document
    dataset: Document
    score: float


def in_dataset(site: Site, dataset: Document, query: str, retrieval: dict[str, Any]) -> list[Found]:
    """The best chunks of one dataset.

    Raises:
        ApiError: 400, a model refused or is not connected.
    """
    documents = {
        each["id"]: each
        for each in dataset_store.documents(site, dataset["id"])
        if each["status"] == "completed" and each["enabled"] and not each["archived"]
    }
    chunks = [chunk for key in documents for chunk in dataset_store.chunks(site, key)]
    if not chunks:
        return []
    vector = _embedded(site, dataset["embedding_model"], query)
    near = [
        Found(chunk, documents[chunk["document_id"]], dataset, _cosine(vector, chunk["vector"]))
        for chunk in chunks
    ]
    best = sorted(near, key=lambda each: each.score, reverse=True)[: int(retrieval["top_k"])]
    if retrieval["reranking_enable"]:
        best = _ranked(site, query, best, retrieval["reranking_model"])
    return best


def for_app(site: Site, config: Document, query: str) -> list[Found]:
    """The best chunks of an app's datasets: each searches in its own way, the app ranks all.

    Raises:
        ApiError: see `in_dataset`.
    """
    wanted = config["dataset_configs"]
    found = [
        each
        for key in dataset_shapes.attached(config)
        if (dataset := site.store.get("dataset", key))
        for each in in_dataset(site, dataset, query, dataset["retrieval"] or dataset_store.UNSET_RETRIEVAL)
    ]
    if found and wanted.get("reranking_enabled", True) and wanted.get("reranking_model"):
        found = _ranked(site, query, found, wanted["reranking_model"])
    return found[: int(wanted.get("top_k") or 4)]


def resources(found: Sequence[Found]) -> list[dict[str, Any]]:
    """What an answer cites (recording "chat with knowledge")."""
    unknown = ("hit_count", "word_count", "segment_position", "index_node_hash")
    return [
        {
            "position": position,
            "dataset_id": each.dataset["id"],
            "dataset_name": each.dataset["name"],
            "document_id": each.document["id"],
            "document_name": each.document["name"],
            "data_source_type": "upload_file",
            "segment_id": each.chunk["id"],
            "retriever_from": "api",
            "score": each.score,
            **dict.fromkeys(unknown),
            "content": each.chunk["content"],
            **dict.fromkeys(("page", "doc_metadata", "title", "files", "summary")),
        }
        for position, each in enumerate(found, 1)
    ]


def _embedded(site: Site, model: str, text: str) -> list[float]:
    values = _credentials(site, "text-embedding", model)
    try:
        return site.daemon.embed(site.tenant_id(), model, values, [text])[0]
    except (DaemonError, DaemonUnreachableError) as failure:
        raise _refused(failure) from failure


def _ranked(site: Site, query: str, found: list[Found], wanted: dict[str, Any]) -> list[Found]:
    model = wanted["reranking_model_name"]
    texts = [each.chunk["content"] for each in found]
    values = _credentials(site, "rerank", model)
    try:
        ranks = site.daemon.rerank(site.tenant_id(), model, values, query, texts)
    except (DaemonError, DaemonUnreachableError) as failure:
        raise _refused(failure) from failure
    ranked = [
        Found(found[index].chunk, found[index].document, found[index].dataset, score)
        for index, score in ranks
    ]
    return sorted(ranked, key=lambda each: each.score, reverse=True)


def _refused(failure: DaemonError | DaemonUnreachableError) -> ApiError:
    """``HitTestingService``'s words (``controllers/console/datasets/hit_testing_base.py``)."""
    if isinstance(failure, DaemonError) and failure.kind == INTERNAL:
        return error(500, "internal_server_error", f"{failure.kind}: {failure.message}")
    return invalid_param(str(failure))


def _credentials(site: Site, model_type: str, model: str) -> dict[str, str]:
    found = model_store.current(site, model_type, model)
    if found is None:
        raise _not_connected(model)
    return dict(found["values"])


def _not_connected(model: str) -> ApiError:
    return error(400, "provider_not_initialize", f"Model {model} credentials is not initialized.")


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / ((math.hypot(*one) * math.hypot(*other)) or 1.0)
