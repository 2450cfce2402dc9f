"""Datasets, documents and chunks in the store; a chunk carries its vector (the real one: Weaviate)."""

from __future__ import annotations

from typing import Any

from .context import Site
from .errors import ApiError, error, invalid_param, not_found
from .store import Document

NO_RERANKING = {"reranking_provider_name": "", "reranking_model_name": ""}
# What a dataset searches with that nobody configured (recording "dataset create (console…").
UNSET_RETRIEVAL: dict[str, Any] = {
    "search_method": "semantic_search",
    "reranking_enable": False,
    "reranking_mode": None,
    "reranking_model": NO_RERANKING,
    "weights": None,
    "top_k": 2,
    "score_threshold_enabled": False,
    "score_threshold": None,
}


def dataset(site: Site, dataset_id: str) -> Document:
    """A dataset.

    Raises:
        ApiError: 404.
    """
    found = site.store.get("dataset", dataset_id)
    if found is None:
        raise not_found("Dataset not found.")
    return found


def datasets(site: Site, keyword: str = "") -> list[Document]:
    """The newest first; the keyword is a part of the name, in any case."""
    found = site.store.all("dataset")[::-1]
    return [each for each in found if keyword.lower() in each["name"].lower()]


def demand_free_name(site: Site, name: str, dataset_id: str = "") -> None:
    """Raises:
    ApiError: 409, another dataset has it.
    """
    if any(each["name"] == name and each["id"] != dataset_id for each in site.store.all("dataset")):
        message = "The dataset name already exists. Please modify your dataset name."
        raise duplicate(message)


def duplicate(message: str) -> ApiError:
    return error(409, "dataset_name_duplicate", message)


def documents(site: Site, dataset_id: str) -> list[Document]:
    """The oldest first."""
    return [each for each in site.store.all("document") if each["dataset_id"] == dataset_id]


def document(site: Site, dataset_id: str, document_id: str) -> Document:
    """A document of a dataset.

    Raises:
        ApiError: 404.
    """
    found = site.store.get("document", document_id)
    if found is None or found["dataset_id"] != dataset_id:
        raise not_found("Document Not Exists.")
    return found


def chunks(site: Site, document_id: str) -> list[Document]:
    """A document's chunks in their order."""
    found = [each for each in site.store.all("chunk") if each["document_id"] == document_id]
    return sorted(found, key=lambda each: int(each["position"]))


def remove_document(site: Site, found: Document) -> None:
    for chunk in chunks(site, found["id"]):
        site.store.delete("chunk", chunk["id"])
    site.store.delete("document", found["id"])


def remove_dataset(site: Site, found: Document) -> None:
    for each in documents(site, found["id"]):
        remove_document(site, each)
    site.store.delete("dataset", found["id"])


def retrieval_of(given: dict[str, Any] | None) -> dict[str, Any]:
    """A retrieval model as it is stored and shown.

    Raises:
        ApiError: 400, no such way of searching.
    """
    if given is None:
        return UNSET_RETRIEVAL
    known = ("semantic_search", "full_text_search", "hybrid_search", "keyword_search")
    if given.get("search_method") not in known:
        raise invalid_param(f"Input should be {', '.join(map(repr, known))}")
    model = given.get("reranking_model") or {}
    return {
        "search_method": given["search_method"],
        "reranking_enable": bool(given.get("reranking_enable")),
        "reranking_mode": given.get("reranking_mode"),
        "reranking_model": {name: model.get(name) for name in NO_RERANKING},
        "weights": given.get("weights"),
        "top_k": int(given.get("top_k") or 2),
        "score_threshold_enabled": bool(given.get("score_threshold_enabled")),
        "score_threshold": given.get("score_threshold"),
    }
