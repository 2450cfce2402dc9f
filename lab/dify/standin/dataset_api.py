"""The service API's datasets, ``/v1/datasets``, behind a key that opens all of them (contract section 8).

Documents: recording "document…", "worker down: document…"; the list is that of 1.9.2's recording, deleting
is read from ``controllers/service_api/dataset/document.py`` (tags 1.3.1, 1.4.0, 1.12.1, 1.13.0), the
replacement of a document of the same name from ``save_document_with_dataset_id`` in
``services/dataset_service.py`` (tags 1.3.1 to 1.16.1).
"""

from __future__ import annotations

import time
import uuid
from functools import wraps
from typing import Any

from starlette.responses import JSONResponse, Response

from . import dataset_shapes, dataset_store, datasets
from .call import Call, no_content, now
from .context import Site, SiteHandler
from .errors import (
    ApiError,
    FieldError,
    error,
    invalid_param,
    not_found,
    unauthorized,
    unknown_failure,
)
from .payload import Field, check
from .store import Document

LONGEST_DOCUMENT_NAME = 200
MODES = ("automatic", "custom", "hierarchical")
TEXT = (
    Field("name"),
    Field("text"),
    Field("indexing_technique", options=datasets.TECHNIQUES, literal=True),
    Field("process_rule", dict, required=False),
    Field("doc_form", required=False),
)
PAGE = (Field("page", int, required=False), Field("limit", int, required=False, most=100))


def with_key(handler: SiteHandler) -> SiteHandler:
    """Answer only to a key for datasets; an app's is none."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        token = call.bearer()
        if token is None:
            raise unauthorized("Authorization header must be provided and start with 'Bearer'")
        if not any(key["token"] == token for key in site.store.all("dataset_key")):
            raise unauthorized("Access token is invalid")
        setup = site.setup_row() or {}
        call.account = site.store.get("account", str(setup.get("account_id"))) or {}
        return handler(site, call)

    return guarded


def listed(site: Site, call: Call) -> Response:
    envelope, found = datasets.page(site, call)
    shown = [dataset_shapes.dataset(site, each, available=True) for each in found]
    return JSONResponse({**envelope, "data": shown})


def create(site: Site, call: Call) -> Response:
    given = check("DatasetCreatePayload", call.json(), datasets.CREATE)
    return JSONResponse(dataset_shapes.dataset(site, datasets.make(site, given, call.account)))


def show(site: Site, call: Call) -> Response:
    found = dataset_store.dataset(site, call.path["dataset_id"])
    return JSONResponse(dataset_shapes.dataset(site, found, available=True))


def patch(site: Site, call: Call) -> Response:
    found = dataset_store.dataset(site, call.path["dataset_id"])
    given = check("DatasetUpdatePayload", call.json(), datasets.CHANGE)
    shown = dataset_shapes.dataset(site, datasets.change(site, found, given, call.account))
    return JSONResponse({**shown, "partial_member_list": []})


def remove(site: Site, call: Call) -> Response:
    dataset_store.remove_dataset(site, dataset_store.dataset(site, call.path["dataset_id"]))
    return _gone(site)


def retrieve(site: Site, call: Call) -> Response:
    found = dataset_store.dataset(site, call.path["dataset_id"])
    return JSONResponse(datasets.tried(site, found, call.json()))


def create_by_text(site: Site, call: Call) -> Response:
    """A document, which then waits for the worker. One of the same name that is switched on becomes it."""
    dataset = _dataset(site, call)
    given = _given(call)
    rule = given.get("process_rule") or {"mode": "automatic"}
    _check_rule(rule)
    if not given.get("process_rule") and not site.settings.since("1.11.1"):
        raise unknown_failure()
    there = dataset_store.documents(site, dataset["id"])
    name, at = given["name"][:LONGEST_DOCUMENT_NAME], time.time()
    upload = {
        "id": str(uuid.uuid4()),
        "name": name,
        "size": len(given["text"]),
        "extension": "txt",
        "mime_type": "text/plain",
        "created_at": at,
    }
    unknown = ("tokens", "word_count", "error", "started_at", "completed_at")
    document = {
        "id": str(uuid.uuid4()),
        "dataset_id": dataset["id"],
        "batch": time.strftime("%Y%m%d%H%M%S", time.gmtime(at)) + f"{int(at * 1e6) % 1_000_000:06}",
        "name": name,
        "text": given["text"],
        "rule": rule,
        "rule_id": str(uuid.uuid4()),
        "position": 1 + max((int(each["position"]) for each in there), default=0),
        "doc_form": given.get("doc_form") or "text_model",
        "file": upload,
        "status": "waiting",
        "enabled": True,
        "archived": False,
        "at": at,
        "created_by": call.account["id"],
        "created_at": now(),
        **dict.fromkeys(unknown),
    }
    if same := next((each for each in there if each["name"] == name and each["enabled"]), None):
        # Everything else stays: that it is archived, or what its last failure was.
        new = ("text", "rule", "rule_id", "doc_form", "file", "batch", "status", "at")
        document = same | {key: document[key] for key in new}
    site.store.put("document", document["id"], document)
    return JSONResponse({"document": dataset_shapes.document(site, document), "batch": document["batch"]})


def _given(call: Call) -> dict[str, Any]:
    # The dataset has a technique, so only the last look misses the document's: it finds null there.
    sent = {"indexing_technique": None, **call.json()}
    try:
        return check("KnowledgeConfig", sent, TEXT)
    except FieldError as refused:
        if refused.name == "indexing_technique" and sent[refused.name] is None:
            raise ApiError(refused.status, refused.body) from None  # in the same words in every version
        raise


def documents(site: Site, call: Call) -> Response:
    """A page of documents, the newest first."""
    dataset = dataset_store.dataset(site, call.path["dataset_id"])
    given = check("DocumentListQuery", call.query, PAGE)
    page, limit = given.get("page", 1), given.get("limit", 20)
    found = dataset_store.documents(site, dataset["id"])[::-1]
    shown = [dataset_shapes.document(site, each) for each in found[(page - 1) * limit : page * limit]]
    # Full pages claim that there are more.
    envelope = {"has_more": len(shown) == limit, "limit": limit, "total": len(found), "page": page}
    return JSONResponse({"data": shown, **envelope})


def status(site: Site, call: Call) -> Response:
    """How far a batch is."""
    dataset = dataset_store.dataset(site, call.path["dataset_id"])
    batch = call.path["batch"]
    found = [each for each in dataset_store.documents(site, dataset["id"]) if each["batch"] == batch]
    if not found:
        raise not_found("Documents not found.")
    return JSONResponse({"data": [dataset_shapes.progress(site, each) for each in found]})


def delete(site: Site, call: Call) -> Response:
    dataset = _dataset(site, call)
    found = dataset_store.document(site, dataset["id"], call.path["document_id"])
    if found["archived"]:
        raise error(403, "archived_document_immutable", "The archived document is not editable.")
    dataset_store.remove_document(site, found)
    return _gone(site)


def _gone(site: Site) -> Response:
    """What was deleted: no content, but for a while 200 with that number as its body."""
    number = site.settings.since("1.4.0") and not site.settings.since("1.13.0")
    return JSONResponse(204) if number else no_content()


def _dataset(site: Site, call: Call) -> Document:
    """The dataset of a write, which says of a missing one that the request is wrong."""
    found = site.store.get("dataset", call.path["dataset_id"])
    if found is None:
        raise invalid_param("Dataset does not exist.")
    return found


def _check_rule(rule: dict[str, Any]) -> None:
    """``DocumentService.process_rule_args_validate``; lengths are looked at by the worker only."""
    if rule.get("mode") not in MODES:
        raise invalid_param("Process rule mode is invalid")
    if rule["mode"] == "automatic":
        return
    rules = rule.get("rules")
    if not rules:
        raise invalid_param("Process rule rules is required")
    if rules.get("pre_processing_rules") is None:
        raise invalid_param("Process rule pre_processing_rules is required")
    for each in rules["pre_processing_rules"]:
        if each.get("id") not in ("remove_extra_spaces", "remove_urls_emails", "remove_stopwords"):
            raise invalid_param("Process rule pre_processing_rules id is invalid")
        if not isinstance(each.get("enabled"), bool):
            raise invalid_param("Process rule pre_processing_rules enabled is invalid")
    segmentation = rules.get("segmentation")
    if not segmentation:
        raise invalid_param("Process rule segmentation is required")
    if not segmentation.get("separator"):
        raise invalid_param("Process rule segmentation separator is required")
    if not isinstance(segmentation.get("max_tokens"), int) or not segmentation["max_tokens"]:
        raise invalid_param("Process rule segmentation max_tokens is required")


TABLE = (
    ("GET", "/datasets", with_key(listed)),
    ("POST", "/datasets", with_key(create)),
    ("GET", "/datasets/{dataset_id}", with_key(show)),
    ("PATCH", "/datasets/{dataset_id}", with_key(patch)),
    ("DELETE", "/datasets/{dataset_id}", with_key(remove)),
    ("POST", "/datasets/{dataset_id}/retrieve", with_key(retrieve)),
    ("POST", "/datasets/{dataset_id}/document/create-by-text", with_key(create_by_text)),
    ("POST", "/datasets/{dataset_id}/document/create_by_text", with_key(create_by_text)),
    ("GET", "/datasets/{dataset_id}/documents", with_key(documents)),
    ("GET", "/datasets/{dataset_id}/documents/{batch}/indexing-status", with_key(status)),
    ("DELETE", "/datasets/{dataset_id}/documents/{document_id}", with_key(delete)),
)
