"""API keys to datasets: one opens all of them (recording "dataset api key…"; contract 8.1)."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from . import tokens
from .call import Call, no_content, now
from .context import Site
from .errors import ApiError, not_found
from .keys import MOST, TOKEN_LENGTH
from .session import signed_in
from .store import Document


def listed(site: Site, _: Call) -> Response:
    return JSONResponse({"data": [_shown(key) for key in site.store.all("dataset_key")]})


def create(site: Site, _: Call) -> Response:
    """Answers 200, where an app's key is 201."""
    if len(site.store.all("dataset_key")) >= MOST:
        message = f"Cannot create more than {MOST} API keys for this resource type."
        raise ApiError(400, {"custom": "max_keys_exceeded", "message": message})
    key = {
        "id": str(uuid.uuid4()),
        "token": f"dataset-{tokens.random(TOKEN_LENGTH)}",
        "created_at": now(),
    }
    site.store.put("dataset_key", key["id"], key)
    return JSONResponse(_shown(key))


def remove(site: Site, call: Call) -> Response:
    if site.store.get("dataset_key", call.path["key_id"]) is None:
        raise not_found("API key not found")
    site.store.delete("dataset_key", call.path["key_id"])
    return no_content()


def _shown(key: Document) -> dict[str, Any]:
    return {
        "id": key["id"],
        "type": "dataset",
        "token": key["token"],
        "last_used_at": None,
        "created_at": key["created_at"],
    }


TABLE = (
    ("GET", "/datasets/api-keys", signed_in(listed)),
    ("POST", "/datasets/api-keys", signed_in(create)),
    ("DELETE", "/datasets/api-keys/{key_id}", signed_in(remove)),
)
