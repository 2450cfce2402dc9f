"""Login, refresh and logout, with the lockout (recording "login…"; contract section 2)."""

from __future__ import annotations

import base64
from typing import Any

from starlette.responses import JSONResponse, Response

from . import session
from .call import Call, now, result
from .context import Site
from .errors import ApiError, error
from .payload import Field, check
from .setup import password_fits

FIELDS = (
    Field("email"),
    Field("password"),
    Field("remember_me", bool, required=False),
)
FAILURES_ALLOWED = 5


def login(site: Site, call: Call) -> Response:
    """Cookies for the right password, which travels in Base64; every wrong one is counted."""
    given = check("LoginPayload", call.json(), FIELDS)
    password = _decoded(given["password"])
    email = given["email"].lower()
    counter = f"login_error_rate_limit:{email}"
    failures = int(site.cache.get(counter) or 0)
    if failures > FAILURES_ALLOWED:
        raise error(
            429, "email_code_login_limit", "Too many incorrect password attempts. Please try again later."
        )
    account = next((a for a in site.store.all("account") if a["email"] == email), None)
    if account is None or not password_fits(password, account["password"]):
        site.cache.set(counter, str(failures + 1), site.settings.lockout_seconds)
        raise _failed("Invalid email or password.")
    site.cache.delete(counter)
    _remember(site, account, call.client)
    response = result()
    session.start(site, account["id"], response)
    return response


def refresh(site: Site, call: Call) -> Response:
    """New cookies for the refresh cookie."""
    response = result()
    if session.renew(site, call, response):
        return response
    return JSONResponse({"result": "fail", "message": "Invalid refresh token"}, 401)


def logout(site: Site, call: Call) -> Response:
    response = result()
    session.end(site, call, response)
    return response


def _decoded(sent: str) -> str:
    try:
        return base64.b64decode(sent).decode()
    except ValueError:  # no Base64, or no UTF-8 in it
        raise _failed("Invalid encrypted data") from None


def _failed(message: str) -> ApiError:
    return error(401, "authentication_failed", message)


def _remember(site: Site, account: dict[str, Any], client: str) -> None:
    site.store.put("account", account["id"], account | {"last_login_at": now(), "last_login_ip": client})


TABLE = (
    ("POST", "/login", session.after_setup(login)),
    ("POST", "/refresh-token", refresh),
    ("POST", "/logout", session.signed_in(logout)),
)
