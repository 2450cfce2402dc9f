"""The service API, ``/v1``: an app behind one of its keys (recording "v1…", "chat…"; contract section 7)."""

from __future__ import annotations

from functools import wraps

from starlette.responses import JSONResponse, Response

from . import app_shapes, chat, conversations, generation
from .app_parameters import parameters
from .call import Call, no_content
from .context import Site, SiteHandler, Table
from .errors import error, invalid_param, unauthorized
from .settings import Settings

LISTED = 20


def with_key(handler: SiteHandler) -> SiteHandler:
    """Answer only to a key of an app whose API is on."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        token = call.bearer()
        if token is None:
            raise unauthorized("Authorization header must be provided and start with 'Bearer'")
        key = next((k for k in site.store.all("api_key") if k["token"] == token), None)
        app = site.store.get("app", key["app_id"]) if key else None
        if app is None:
            raise unauthorized("Access token is invalid")
        if not app["enable_api"]:
            raise error(403, "forbidden", "The app's API service has been disabled.")
        call.app = app
        return handler(site, call)

    return guarded


def with_user(handler: SiteHandler) -> SiteHandler:
    """Also require a ``user``: in the query of a GET, else in the body, which has to be JSON then."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        user = call.query.get("user") if call.method == "GET" else call.json().get("user")
        if not user:
            raise invalid_param("Arg user must be provided.")
        call.end_user = conversations.end_user(site, call.app["id"], str(user))
        return handler(site, call)

    return with_key(guarded)


def ask(site: Site, call: Call) -> Response:
    return chat.answer(site, call, full=True, name_it=True)


def complete(_: Site, __: Call) -> Response:
    """Text completion: another kind of app than the lab's."""
    raise generation.unavailable()


def info(site: Site, call: Call) -> Response:
    author = site.store.get("account", call.app["created_by"]) or {}
    return JSONResponse(
        {
            "name": call.app["name"],
            "description": call.app["description"],
            "tags": [],
            "mode": call.app["mode"],
            "author_name": author.get("name"),
        }
    )


def app_parameters(_: Site, call: Call) -> Response:
    return JSONResponse(parameters(call.app))


def meta(_: Site, __: Call) -> Response:
    return JSONResponse({"tool_icons": {}})


def page(_: Site, call: Call) -> Response:
    return JSONResponse(app_shapes.public_site(call.app, prompt=False))


def held(site: Site, call: Call) -> Response:
    """The user's conversations."""
    found = conversations.held_by(site, call.app, call.end_user)
    shown = [conversations.shown(conversation) for conversation in found[:LISTED]]
    return JSONResponse({"limit": LISTED, "has_more": len(found) > LISTED, "data": shown})


def turns(site: Site, call: Call) -> Response:
    """A conversation's messages, the newest first."""
    found = conversations.find(site, call.app, call.end_user, call.query.get("conversation_id", ""))
    all_turns = conversations.turns(site, found["id"])[::-1]
    shown = [conversations.shown_turn(turn) for turn in all_turns[:LISTED]]
    return JSONResponse({"limit": LISTED, "has_more": len(all_turns) > LISTED, "data": shown})


def forget(site: Site, call: Call) -> Response:
    """Delete a conversation of this user."""
    found = conversations.find(site, call.app, call.end_user, call.path["conversation_id"])
    conversations.delete(site, found)
    return no_content()


def not_for_apps(_: Site, __: Call) -> Response:
    """Routes of the workspace want a dataset's key, which the lab does not have."""
    raise unauthorized("Access token is invalid")


PAGE: Table = (("GET", "/site", with_key(page)),)
TABLE: Table = (
    ("POST", "/chat-messages", with_user(ask)),
    ("POST", "/completion-messages", with_user(complete)),
    ("GET", "/info", with_key(info)),
    ("GET", "/parameters", with_key(app_parameters)),
    ("GET", "/meta", with_key(meta)),
    ("GET", "/conversations", with_user(held)),
    ("GET", "/messages", with_user(turns)),
    ("DELETE", "/conversations/{conversation_id}", with_user(forget)),
    ("GET", "/workspaces/current/models/model-types/{model_type}", with_key(not_for_apps)),
)


def table(settings: Settings) -> Table:
    """The routes of a version; 1.3.1 does not tell of the page."""
    return (*TABLE, *PAGE) if settings.since("1.4.0") else TABLE
