"""Apps: find, create, read, change, delete, configure (recording "apps…"; contract section 6)."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from . import app_shapes, default_models, model_config, model_store, models, tokens
from .call import Call, no_content, now, result
from .context import Site
from .errors import ApiError, error, unknown_failure
from .payload import Field, check
from .session import signed_in
from .store import Document

MODES = ("chat", "agent-chat", "advanced-chat", "workflow", "completion")
LISTED_MODES = ("completion", "chat", "advanced-chat", "workflow", "agent-chat", "agent", "channel", "all")
LONGEST_DESCRIPTION = 400
NAME_FILTER = 30  # the filter looks at no more characters of the name asked for
CODE_LENGTH = 16
# A new app's model where the workspace has no default model; not usable, as in the real one.
PLACEHOLDER = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
CREATE = (
    Field("name", shortest=1),
    Field("description", required=False, longest=LONGEST_DESCRIPTION),
    Field("mode", options=MODES, literal=True),
)
CHANGE = (
    Field("name", shortest=1),
    Field("description", required=False, longest=LONGEST_DESCRIPTION),
)
LIST = (
    Field("page", int, required=False, most=99999),
    Field("limit", int, required=False, most=100),
    Field("mode", required=False, options=LISTED_MODES, literal=True),
)


def listed(site: Site, call: Call) -> Response:
    """A page of apps, the newest first; the name filter is a part of the name, in any case."""
    given = check("AppListQuery", call.query, LIST)
    page, limit = given.get("page", 1), given.get("limit", 20)
    part, mode = given.get("name", "")[:NAME_FILTER].lower(), given.get("mode", "all")
    found = [
        app
        for app in site.store.all("app")[::-1]
        if part in app["name"].lower() and mode in {"all", app["mode"]}
    ]
    shown = found[(page - 1) * limit : page * limit]
    return JSONResponse(
        {
            "page": page,
            "limit": limit,
            "total": len(found),
            "has_more": len(found) > page * limit,
            "data": [app_shapes.row(app, call.account["name"]) for app in shown],
        }
    )


def create(site: Site, call: Call) -> Response:
    """A new app, with the workspace's default chat model, reachable by site and API at once."""
    if "mode" not in call.json() and not site.settings.since("1.11.0"):
        raise error(400, "bad_request", "mode is required")
    given = check("CreateAppPayload", call.json(), CREATE)
    app = new(site, given, call.account, _new_config(site, given["mode"], call.account))
    return JSONResponse(app_shapes.detail(site, app, call.base), 201)


def new(site: Site, given: dict[str, Any], account: Document, config: Document | None) -> Document:
    """Store a new app with its site.

    Args:
        given: ``name``, ``mode`` and, if wanted, description and icon.
        config: its first configuration, dated; ``None`` for modes that have none.
    """
    dates = dated_by(account)
    icon = {name: given.get(name) for name in ("icon_type", "icon", "icon_background")}
    app = {
        "id": str(uuid.uuid4()),
        "name": given["name"],
        "description": given.get("description") or "",
        "mode": given["mode"],
        **icon,
        "icon_type": given.get("icon_type") or "emoji",
        "enable_site": True,
        "enable_api": True,
        "use_icon_as_answer_icon": False,
        "max_active_requests": None,
        "config": config,
        "site": _page(given, icon, account) | dates,
        **dates,
    }
    site.store.put("app", app["id"], app)
    return app


def show(site: Site, call: Call) -> Response:
    return JSONResponse(app_shapes.detail(site, find(site, call), call.base))


def change(site: Site, call: Call) -> Response:
    """Everything at once: what is left out becomes empty, the number of parallel requests unlimited."""
    app = find(site, call)
    given = check("UpdateAppPayload", call.json(), CHANGE)
    if "use_icon_as_answer_icon" not in given and not site.settings.since("1.11.0"):
        raise unknown_failure()
    app |= {
        "name": given["name"],
        "description": given.get("description") or "",
        "icon_type": given.get("icon_type") or app["icon_type"],
        "icon": given.get("icon") or "",
        "icon_background": given.get("icon_background") or "",
        "use_icon_as_answer_icon": bool(given.get("use_icon_as_answer_icon", False)),
        "max_active_requests": given.get("max_active_requests") or 0,
    }
    save(site, app, call.account)
    return JSONResponse(app_shapes.detail(site, app, call.base, permissions=False))


def remove(site: Site, call: Call) -> Response:
    app = find(site, call)
    site.store.delete("app", app["id"])
    for key in site.store.all("api_key"):
        if key["app_id"] == app["id"]:
            site.store.delete("api_key", key["id"])
    return no_content()


def configure(site: Site, call: Call) -> Response:
    """Store a configuration, which for a chat app is its publication."""
    app = find(site, call)
    config = model_config.accepted(site, call.json())
    app["config"] = config | dated_by(call.account)
    save(site, app, call.account)
    return result()


def find(site: Site, call: Call) -> Document:
    """The app of the path.

    Raises:
        ApiError: 404.
    """
    app = site.store.get("app", call.path["app_id"])
    if app is None:
        raise unknown()
    return app


def unknown() -> ApiError:
    return error(404, "app_not_found", "App not found.")


def save(site: Site, app: Document, account: Document) -> None:
    """Store a changed app."""
    app |= {"updated_by": account["id"], "updated_at": now()}
    site.store.put("app", app["id"], app)


def dated_by(account: Document) -> dict[str, Any]:
    """Made by this account, now."""
    at = now()
    return {"created_by": account["id"], "created_at": at, "updated_by": account["id"], "updated_at": at}


def _new_config(site: Site, mode: str, account: Document) -> Document | None:
    if mode in {"advanced-chat", "workflow"}:
        return None
    config = model_config.fresh(_default_model(site))
    if not site.settings.since("1.16.0"):
        config["sensitive_word_avoidance"] = {"enabled": False, "type": "", "configs": []}
    return config | dated_by(account)


def _default_model(site: Site) -> dict[str, Any]:
    chosen = default_models.effective(site, "llm")
    entry = model_store.current(site, "llm", chosen["model"]) if chosen else None
    if chosen is None or entry is None:
        return dict(PLACEHOLDER)
    said = models.schema(site, entry)
    if said is None and not site.settings.since("1.16.1"):
        raise unknown_failure()  # ``AppService.create_app``
    mode = said["mode"] if said else PLACEHOLDER["mode"]
    return {"provider": chosen["provider"], "name": chosen["model"], "mode": mode, "completion_params": {}}


def _page(given: dict[str, Any], icon: dict[str, Any], account: Document) -> dict[str, Any]:
    empty = ("description", "chat_color_theme", "copyright", "privacy_policy", "input_placeholder")
    return {
        "code": tokens.random(CODE_LENGTH),
        "title": given["name"],
        **icon,
        "icon_type": given.get("icon_type") or "emoji",
        "default_language": account["interface_language"],
        "chat_color_theme_inverted": False,
        "custom_disclaimer": "",
        "prompt_public": False,
        "show_workflow_steps": True,
        "use_icon_as_answer_icon": False,
        **dict.fromkeys(empty),
    }


TABLE = (
    ("GET", "/apps", signed_in(listed)),
    ("POST", "/apps", signed_in(create)),
    ("GET", "/apps/{app_id}", signed_in(show)),
    ("PUT", "/apps/{app_id}", signed_in(change)),
    ("DELETE", "/apps/{app_id}", signed_in(remove)),
    ("POST", "/apps/{app_id}/model-config", signed_in(configure)),
)
