"""The web API, ``/api``: an app's public page behind a passport (recording "webapp…"; contract 6.4)."""

from __future__ import annotations

import uuid
from functools import wraps
from typing import Any

from starlette.responses import JSONResponse, Response

from . import app_shapes, chat, conversations, tokens
from .app_parameters import parameters
from .call import Call
from .context import Site, SiteHandler
from .errors import error, not_found, unauthorized
from .features import shown
from .store import Document


def passport(site: Site, call: Call) -> Response:
    """A token for a page's visitors; 404 for an unknown code and for a page that is switched off."""
    code = call.headers.get("x-app-code")
    if code is None:
        raise unauthorized("X-App-Code header is missing.")
    app = _by_code(site, code)
    if app is None or not app["enable_site"]:
        raise not_found()
    person = conversations.end_user(site, app["id"], call.query.get("user_id") or str(uuid.uuid4()))
    claims = {
        "iss": app["id"],
        "sub": "Web API Passport",
        "app_id": app["id"],
        "app_code": code,
        "end_user_id": person["id"],
    }
    return JSONResponse({"access_token": tokens.issue(site.key, claims)})


def with_passport(handler: SiteHandler) -> SiteHandler:
    """Answer only to a passport; ``Authorization`` counts up to 1.9.1, and only there."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        code = call.headers.get("x-app-code", "None")
        token = call.cookies.get(f"passport-{code}") or call.headers.get("x-app-passport")
        if not site.settings.since("1.9.2"):
            if "authorization" not in call.headers:
                raise unauthorized("Authorization header is missing.")
            token = call.bearer()
        if not token:
            raise unauthorized("App token is missing.")
        claims = tokens.verify(site.key, token)
        if claims is None:
            raise unauthorized("Invalid token signature.")
        call.app, call.end_user = _holder(site, claims)
        return handler(site, call)

    return guarded


def page(_: Site, call: Call) -> Response:
    return JSONResponse(
        {
            "app_id": call.app["id"],
            "mode": call.app["mode"],
            "end_user_id": call.end_user["id"],
            "enable_site": call.app["enable_site"],
            "site": app_shapes.public_site(call.app, prompt=True),
            "model_config": None,
            "plan": "basic",
            "can_replace_logo": False,
            "custom_config": None,
        }
    )


def app_parameters(_: Site, call: Call) -> Response:
    return JSONResponse(parameters(call.app))


def meta(_: Site, __: Call) -> Response:
    return JSONResponse({"tool_icons": {}})


def ask(site: Site, call: Call) -> Response:
    """The page names its conversations itself, by another call."""
    return chat.answer(site, call, full=False, name_it=False)


def _by_code(site: Site, code: str) -> Document | None:
    return next((app for app in site.store.all("app") if app["site"]["code"] == code), None)


def _holder(site: Site, claims: dict[str, Any]) -> tuple[Document, Document]:
    app = site.store.get("app", str(claims.get("app_id")))
    person = site.store.get("end_user", str(claims.get("end_user_id")))
    if app is None or person is None:
        raise not_found()
    if _by_code(site, str(claims.get("app_code"))) is None:
        raise error(400, "bad_request", "Site URL is no longer valid.")
    if not app["enable_site"]:
        raise error(400, "bad_request", "Site is disabled.")
    return app, person


TABLE = (
    ("GET", "/system-features", shown),
    ("GET", "/passport", passport),
    ("GET", "/site", with_passport(page)),
    ("GET", "/parameters", with_passport(app_parameters)),
    ("GET", "/meta", with_passport(meta)),
    ("POST", "/chat-messages", with_passport(ask)),
)
