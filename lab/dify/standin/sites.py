"""An app's two doors, web page and API (recording "site-enable", "api-enable", "site update")."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from . import app_shapes, apps, tokens
from .call import Call
from .context import Site
from .payload import Field, check
from .session import signed_in
from .store import Document

EDITABLE = (
    "title",
    "icon_type",
    "icon",
    "icon_background",
    "description",
    "default_language",
    "chat_color_theme",
    "chat_color_theme_inverted",
    "copyright",
    "privacy_policy",
    "input_placeholder",
    "custom_disclaimer",
    "prompt_public",
    "show_workflow_steps",
    "use_icon_as_answer_icon",
)


def enable_site(site: Site, call: Call) -> Response:
    return _switch(site, call, "AppSiteStatusPayload", "enable_site")


def enable_api(site: Site, call: Call) -> Response:
    return _switch(site, call, "AppApiStatusPayload", "enable_api")


def edit(site: Site, call: Call) -> Response:
    """Change what is sent, keep the rest."""
    app = apps.find(site, call)
    given = call.json()
    app["site"] |= {name: given[name] for name in EDITABLE if given.get(name) is not None}
    apps.save(site, app, call.account)
    return JSONResponse(_edited(app))


def new_code(site: Site, call: Call) -> Response:
    """Another code for the public page; the old link is dead."""
    app = apps.find(site, call)
    app["site"]["code"] = tokens.random(apps.CODE_LENGTH)
    apps.save(site, app, call.account)
    return JSONResponse(_edited(app))


def _switch(site: Site, call: Call, model: str, name: str) -> Response:
    app = apps.find(site, call)
    app[name] = check(model, call.json(), (Field(name, bool),))[name]
    apps.save(site, app, call.account)
    return JSONResponse(app_shapes.brief(app, permissions=False))


def _edited(app: Document) -> dict[str, Any]:
    page = app["site"]
    names = ("title", "icon", "icon_background", "description", "default_language")
    more = ("copyright", "privacy_policy", "input_placeholder", "custom_disclaimer")
    last = ("prompt_public", "show_workflow_steps", "use_icon_as_answer_icon")
    return {
        "app_id": app["id"],
        "access_token": page["code"],
        "code": page["code"],
        **{name: page[name] for name in names},
        "customize_domain": None,
        **{name: page[name] for name in more},
        "customize_token_strategy": "not_allow",
        **{name: page[name] for name in last},
    }


TABLE = (
    ("POST", "/apps/{app_id}/site-enable", signed_in(enable_site)),
    ("POST", "/apps/{app_id}/api-enable", signed_in(enable_api)),
    ("POST", "/apps/{app_id}/site", signed_in(edit)),
    ("POST", "/apps/{app_id}/site/access-token-reset", signed_in(new_code)),
)
