"""Who is signed in: access token, CSRF pair and cookies (source: ``libs/token.py``, ``libs/login.py``)."""

from __future__ import annotations

import secrets
import time
from functools import wraps
from typing import Any

from starlette.responses import JSONResponse, Response

from . import tokens
from .call import Call, result
from .context import Site, SiteHandler
from .errors import not_setup, unauthorized

COOKIES_SINCE = "1.9.2"
DOMAIN_SINCE = "1.10.0"
ACCESS, REFRESH, CSRF = "access_token", "refresh_token", "csrf_token"


def cookie(site: Site, name: str) -> str:
    """A cookie's name as browsers see it: ``__Host-`` is put in front once all URLs say https, unless the
    cookies are for a whole domain."""
    return f"__Host-{name}" if site.settings.https and not _domain(site) else name


def after_setup(handler: SiteHandler) -> SiteHandler:
    """Answer only once the installation was set up."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        if site.setup_row() is None:
            raise not_setup()
        return handler(site, call)

    return guarded


def signed_in(handler: SiteHandler) -> SiteHandler:
    """Answer only to a session; since 1.9.2 with its CSRF pair, GET included."""

    @wraps(handler)
    def guarded(site: Site, call: Call) -> Response:
        call.account = _account(site, call)
        return handler(site, call)

    return after_setup(guarded)


def opened(site: Site, account_id: str) -> Response:
    """The answer that opens a session: with cookies, up to 1.9.1 with its tokens in the body."""
    by_cookie = site.settings.since(COOKIES_SINCE)
    refresh = tokens.random(86) if by_cookie else secrets.token_hex(64)
    site.cache.set(_kept(refresh), account_id, site.settings.refresh_seconds)
    site.cache.set(f"{_kept(account_id)}:account", refresh, site.settings.refresh_seconds)
    until = int(time.time()) + site.settings.access_seconds
    access = tokens.issue(
        site.key,
        {"user_id": account_id, "exp": until, "iss": "SELF_HOSTED", "sub": "Console API Passport"},
    )
    if not by_cookie:
        return JSONResponse({"result": "success", "data": {"access_token": access, "refresh_token": refresh}})
    lives = {
        ACCESS: (access, site.settings.access_seconds),
        REFRESH: (refresh, site.settings.refresh_seconds),
        CSRF: (tokens.issue(site.key, {"sub": account_id, "exp": until}), site.settings.access_seconds),
    }
    response = result()
    for name, (value, seconds) in lives.items():
        _set(site, response, name, value, seconds)
    return response


def renewed(site: Site, call: Call) -> Response | None:
    """Trade the refresh token, which works once, for a new session. None when it is not one of ours."""
    sent = (
        call.cookies.get(cookie(site, REFRESH), "")
        if site.settings.since(COOKIES_SINCE)
        else str(call.json().get(REFRESH, ""))
    )
    account_id = site.cache.get(_kept(sent))
    if account_id is None:
        return None
    site.cache.delete(_kept(sent))
    return opened(site, account_id)


def ended(site: Site, call: Call) -> Response:
    """Forget the refresh token, and make the browser forget its cookies. An access token lives on."""
    refresh = site.cache.get(f"{_kept(call.account['id'])}:account")
    site.cache.delete(_kept(refresh or ""))
    response = result()
    if site.settings.since(COOKIES_SINCE):
        for name in (ACCESS, REFRESH, CSRF):
            _set(site, response, name, "", 0)
    return response


def _kept(token: str) -> str:
    return f"refresh_token:{token}"


def _account(site: Site, call: Call) -> dict[str, Any]:
    by_cookie = site.settings.since(COOKIES_SINCE)
    token = (by_cookie and call.cookies.get(cookie(site, ACCESS))) or call.bearer()
    claims = tokens.verify(site.key, token) if token else None
    account = site.store.get("account", str(claims.get("user_id"))) if claims else None
    if account is None:
        raise unauthorized("Invalid Authorization token.")
    if by_cookie:
        _demand_pair(site, call, account["id"])
    return account


def _demand_pair(site: Site, call: Call, account_id: str) -> None:
    sent, kept = call.headers.get("x-csrf-token"), call.cookies.get(cookie(site, CSRF))
    pair = tokens.verify(site.key, sent) if sent and sent == kept else None
    if pair is None or pair.get("sub") != account_id:
        raise unauthorized("CSRF token is missing or invalid.")


def _domain(site: Site) -> str | None:
    return (site.settings.since(DOMAIN_SINCE) and site.settings.cookie_domain.removeprefix(".")) or None


def _set(site: Site, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        cookie(site, name),
        value,
        max_age=seconds,
        expires=seconds,
        path="/",
        domain=_domain(site),
        secure=site.settings.https,
        httponly=name != CSRF,
        samesite="lax",
    )
