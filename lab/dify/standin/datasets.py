"""Datasets: find, create, read, change, delete, try out (recording "dataset…", "idem…"; contract 8)."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from . import dataset_shapes, dataset_store, default_models, model_store, provider, searching
from .apps import dated_by
from .call import Call, no_content, now
from .context import Site
from .errors import invalid_param
from .payload import Field, check
from .session import signed_in
from .store import Document

LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_QUERY = 40, 400, 250
TECHNIQUES = ("high_quality", "economy")
PERMISSIONS = ("only_me", "all_team_members", "partial_members")
SETTINGS = (
    Field("description", required=False, longest=LONGEST_DESCRIPTION),
    Field("indexing_technique", required=False, options=TECHNIQUES, literal=True),
    Field("permission", required=False, options=PERMISSIONS),
    Field("embedding_model", required=False),
    Field("embedding_model_provider", required=False),
    Field("retrieval_model", dict, required=False),
)
CREATE = (Field("name", shortest=1, longest=LONGEST_NAME), *SETTINGS)
CHANGE = (Field("name", required=False, shortest=1, longest=LONGEST_NAME), *SETTINGS)
LIST = (Field("page", int, required=False), Field("limit", int, required=False))


def page(site: Site, call: Call) -> tuple[dict[str, Any], list[Document]]:
    """The envelope of a list and what belongs into it: all only for the owner, and only if he asks for all
    (``DatasetService.get_datasets``, tags 1.3.1 to 1.16.1).
    """
    given = check("DatasetListQuery", call.query, LIST)
    number, limit = given.get("page", 1), min(given.get("limit", 20), 100)
    found = dataset_store.datasets(site, call.query.get("keyword", ""))
    owner = str((site.setup_row() or {}).get("account_id"))
    if call.account["id"] != owner or call.query.get("include_all", "").lower() != "true":
        found = [each for each in found if _is_open_to(call.account, each)]
    shown = found[(number - 1) * limit : number * limit]
    # Full pages claim that there are more.
    more = len(shown) == limit
    return {"data": [], "has_more": more, "limit": limit, "total": len(found), "page": number}, shown


def _is_open_to(account: Document, found: Document) -> bool:
    mine = found["permission"] == "only_me" and found["created_by"] == account["id"]
    return mine or found["permission"] == "all_team_members"


def make(site: Site, given: dict[str, Any], account: Document) -> Document:
    """A new dataset.

    Raises:
        ApiError: 409, the name is taken; 400, a model is not connected.
    """
    dataset_store.demand_free_name(site, given["name"])
    technique = given.get("indexing_technique")
    model = _embedding(site, given) if technique == "high_quality" else (None, None)
    if technique == "high_quality" and given.get("retrieval_model"):
        _demand_ranking(site, given["retrieval_model"])
    found = {
        "id": str(uuid.uuid4()),
        "name": given["name"],
        "description": given.get("description") or "",
        "permission": given.get("permission") or "only_me",
        "indexing_technique": technique,
        "embedding_model": model[0],
        "embedding_model_provider": model[1],
        "retrieval": _retrieval(given),
        **dated_by(account),
    }
    site.store.put("dataset", found["id"], found)
    return found


def change(site: Site, found: Document, given: dict[str, Any], account: Document) -> Document:
    """Change what is given. Another embedding model has everything indexed anew.

    Before 1.9.0 the settings of searching are given up when they are not sent along
    (``DatasetService.update_dataset``, tags 1.3.1 and 1.9.0).
    """
    if given.get("name"):
        dataset_store.demand_free_name(site, given["name"], found["id"])
    plain = ("name", "description", "permission", "indexing_technique")
    found |= {name: given[name] for name in plain if given.get(name) is not None}
    if given.get("embedding_model"):
        before = (found["embedding_model"], found["embedding_model_provider"])
        found["embedding_model"], found["embedding_model_provider"] = after = _embedding(site, given)
        for document in dataset_store.documents(site, found["id"]) if after != before else ():
            for chunk in dataset_store.chunks(site, document["id"]):
                site.store.delete("chunk", chunk["id"])
            site.store.put("document", document["id"], document | {"status": "waiting"})
    if given.get("retrieval_model") or not site.settings.since("1.9.0"):
        found["retrieval"] = _retrieval(given)
    found |= {"updated_by": account["id"], "updated_at": now()}
    site.store.put("dataset", found["id"], found)
    return found


def tried(site: Site, found: Document, given: dict[str, Any]) -> dict[str, Any]:
    """A search with the dataset's settings, or with those of the request.

    Raises:
        ApiError: 400, no question, one that is too long, or a model refused.
    """
    query = given.get("query")
    if not query or len(query) > LONGEST_QUERY:
        raise invalid_param(f"Query is required and cannot exceed {LONGEST_QUERY} characters")
    retrieval = _retrieval(given) or found["retrieval"] or dataset_store.UNSET_RETRIEVAL
    results = searching.in_dataset(site, found, query, retrieval)
    records = [dataset_shapes.record(site, each.chunk, each.document, each.score) for each in results]
    return {"query": {"content": query}, "records": records}


def listed(site: Site, call: Call) -> Response:
    envelope, found = page(site, call)
    shown = (dataset_shapes.dataset(site, each, available=True) for each in found)
    return JSONResponse({**envelope, "data": [dataset_shapes.for_console(each, []) for each in shown]})


def create(site: Site, call: Call) -> Response:
    """With the workspace's default embedding model; the console asks for no other here."""
    given = check("DatasetCreatePayload", call.json(), CREATE)
    kept = {name: given.get(name) for name in ("name", "description", "indexing_technique", "permission")}
    found = make(site, kept, call.account)
    shown = dataset_shapes.dataset(site, found)
    return JSONResponse(dataset_shapes.for_console(shown, None), 201)


def show(site: Site, call: Call) -> Response:
    found = dataset_store.dataset(site, call.path["dataset_id"])
    shown = dataset_shapes.dataset(site, found, available=True)
    return JSONResponse(dataset_shapes.for_console(shown, None))


def patch(site: Site, call: Call) -> Response:
    found = dataset_store.dataset(site, call.path["dataset_id"])
    given = check("DatasetUpdatePayload", call.json(), CHANGE)
    shown = dataset_shapes.dataset(site, change(site, found, given, call.account))
    return JSONResponse(dataset_shapes.for_console(shown, []))


def remove(site: Site, call: Call) -> Response:
    dataset_store.remove_dataset(site, dataset_store.dataset(site, call.path["dataset_id"]))
    return no_content()


def hit_testing(site: Site, call: Call) -> Response:
    found = dataset_store.dataset(site, call.path["dataset_id"])
    return JSONResponse(tried(site, found, call.json()))


def indexing_status(site: Site, call: Call) -> Response:
    """How far a document is."""
    found = dataset_store.document(site, call.path["dataset_id"], call.path["document_id"])
    return JSONResponse(dataset_shapes.progress(site, found))


def retrieval_setting(_: Site, __: Call) -> Response:
    """What Weaviate can do."""
    return JSONResponse({"retrieval_method": ["semantic_search", "full_text_search", "hybrid_search"]})


def _retrieval(given: dict[str, Any]) -> dict[str, Any] | None:
    wanted = given.get("retrieval_model")
    return dataset_store.retrieval_of(wanted) if wanted else None


def _embedding(site: Site, given: dict[str, Any]) -> tuple[str, str]:
    """The embedding model that is asked for, or the workspace's default."""
    name, whose = given.get("embedding_model"), given.get("embedding_model_provider")
    if not name or not whose:
        chosen = default_models.effective(site, "text-embedding")
        if chosen is None:
            raise invalid_param("Default model not found for text-embedding")
        return chosen["model"], chosen["provider"]
    _demand(site, "text-embedding", name, whose)
    return name, provider.full_name(whose)


def _demand_ranking(site: Site, retrieval: dict[str, Any]) -> None:
    model = retrieval.get("reranking_model") or {}
    # Before 1.9.0 it is looked for among the embedding models, so none will do (recording of 1.3.1).
    kind = "rerank" if site.settings.since("1.9.0") else "text-embedding"
    if name := model.get("reranking_model_name"):
        _demand(site, kind, name, model.get("reranking_provider_name") or "")


def _demand(site: Site, model_type: str, name: str, whose: str) -> None:
    provider.require(site, whose)
    if model_store.current(site, model_type, name) is None:
        raise invalid_param(f"Model {name} credentials is not initialized.")


TABLE = (
    ("GET", "/datasets", signed_in(listed)),
    ("POST", "/datasets", signed_in(create)),
    ("GET", "/datasets/retrieval-setting", signed_in(retrieval_setting)),
    ("GET", "/datasets/{dataset_id}", signed_in(show)),
    ("PATCH", "/datasets/{dataset_id}", signed_in(patch)),
    ("DELETE", "/datasets/{dataset_id}", signed_in(remove)),
    ("POST", "/datasets/{dataset_id}/hit-testing", signed_in(hit_testing)),
    ("GET", "/datasets/{dataset_id}/documents/{document_id}/indexing-status", signed_in(indexing_status)),
)
