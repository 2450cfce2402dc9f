"""An app's API keys (recording "api key…"; contract 6.5): told in full, always, and ten at most."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from . import apps, tokens
from .call import Call, no_content, now
from .context import Site
from .errors import ApiError, not_found
from .session import signed_in
from .store import Document

MOST = 10
TOKEN_LENGTH = 24


def listed(site: Site, call: Call) -> Response:
    return JSONResponse({"data": [_shown(key) for key in _keys(site, apps.find(site, call)["id"])]})


def create(site: Site, call: Call) -> Response:
    app = apps.find(site, call)
    if len(_keys(site, app["id"])) >= MOST:
        message = f"Cannot create more than {MOST} API keys for this resource type."
        kind = "custom" if site.settings.since("1.8.0") else "code"
        raise ApiError(400, {kind: "max_keys_exceeded", "message": message})
    key_id = str(uuid.uuid4())
    token = f"app-{tokens.random(TOKEN_LENGTH)}"
    key = {"id": key_id, "app_id": app["id"], "token": token, "created_at": now()}
    site.store.put("api_key", key_id, key)
    return JSONResponse(_shown(key), 201)


def remove(site: Site, call: Call) -> Response:
    app_id, key_id = apps.find(site, call)["id"], call.path["key_id"]
    if not any(key["id"] == key_id for key in _keys(site, app_id)):
        raise not_found("API key not found")
    site.store.delete("api_key", key_id)
    return no_content()


def _keys(site: Site, app_id: str) -> list[Document]:
    return [key for key in site.store.all("api_key") if key["app_id"] == app_id]


def _shown(key: Document) -> dict[str, Any]:
    # Uses are written down minutes later, by the worker; nobody in the lab waits that long.
    return {
        "id": key["id"],
        "type": "app",
        "token": key["token"],
        "last_used_at": None,
        "created_at": key["created_at"],
    }


TABLE = (
    ("GET", "/apps/{app_id}/api-keys", signed_in(listed)),
    ("POST", "/apps/{app_id}/api-keys", signed_in(create)),
    ("DELETE", "/apps/{app_id}/api-keys/{key_id}", signed_in(remove)),
)
