"""Who is signed in: access token, CSRF pair and cookies (source: ``libs/token.py``, ``libs/login.py``)."""

from __future__ import annotations

import time
from functools import wraps
from typing import Any

from starlette.responses import Response

from . import tokens
from .call import Call
from .context import Site, SiteHandler
from .errors import not_setup, unauthorized

ACCESS, REFRESH, CSRF = "access_token", "refresh_token", "csrf_token"


def cookie(site: Site, name: str) -> str:
    """A cookie's name as browsers see it: ``__Host-`` is put in front once all URLs say https."""
    return f"__Host-{name}" if site.settings.https else name


def after_setup(handler: SiteHandler) -> SiteHandler:
    """Answer only once the installation was set up."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        if site.setup_row() is None:
            raise not_setup()
        return handler(site, call)

    return guarded


def signed_in(handler: SiteHandler) -> SiteHandler:
    """Answer only to a session with its CSRF pair, GET included."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        call.account = _account(site, call)
        return handler(site, call)

    return after_setup(guarded)


def start(site: Site, account_id: str, response: Response) -> None:
    """Give a response the three cookies of a new session."""
    refresh = tokens.random(86)
    site.cache.set(f"refresh_token:{refresh}", account_id, site.settings.refresh_seconds)
    until = int(time.time()) + site.settings.access_seconds
    access = {"user_id": account_id, "exp": until, "iss": "SELF_HOSTED", "sub": "Console API Passport"}
    lives = {
        ACCESS: (tokens.issue(site.key, access), site.settings.access_seconds),
        REFRESH: (refresh, site.settings.refresh_seconds),
        CSRF: (tokens.issue(site.key, {"sub": account_id, "exp": until}), site.settings.access_seconds),
    }
    for name, (value, seconds) in lives.items():
        _set(site, response, name, value, seconds)


def renew(site: Site, call: Call, response: Response) -> bool:
    """Trade the refresh cookie, which works once, for a new session. False when it is not one of ours."""
    used = f"refresh_token:{call.cookies.get(cookie(site, REFRESH), '')}"
    account_id = site.cache.get(used)
    if account_id is None:
        return False
    site.cache.delete(used)
    start(site, account_id, response)
    return True


def end(site: Site, call: Call, response: Response) -> None:
    """Forget the session, and make the browser forget its cookies."""
    site.cache.delete(f"refresh_token:{call.cookies.get(cookie(site, REFRESH), '')}")
    for name in (ACCESS, REFRESH, CSRF):
        _set(site, response, name, "", 0)


def _account(site: Site, call: Call) -> dict[str, Any]:
    token = call.cookies.get(cookie(site, ACCESS)) or call.bearer()
    claims = tokens.verify(site.key, token) if token else None
    account = site.store.get("account", str(claims.get("user_id"))) if claims else None
    if account is None:
        raise unauthorized("Invalid Authorization token.")
    sent, kept = call.headers.get("x-csrf-token"), call.cookies.get(cookie(site, CSRF))
    pair = tokens.verify(site.key, sent) if sent and sent == kept else None
    if pair is None or pair.get("sub") != account["id"]:
        raise unauthorized("CSRF token is missing or invalid.")
    return account


def _set(site: Site, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        cookie(site, name),
        value,
        max_age=seconds,
        expires=seconds,
        path="/",
        secure=site.settings.https,
        httponly=name != CSRF,
        samesite="lax",
    )
