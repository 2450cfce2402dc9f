"""Login, refresh and logout, with the lockout (recording "login…"; contract section 2)."""

from __future__ import annotations

import base64
from typing import Any

from starlette.responses import JSONResponse, Response

from . import session
from .call import Call, now
from .context import Site, Table
from .errors import ApiError, FieldError, error, invalid_param
from .payload import Field, check
from .settings import Settings
from .setup import ANY_CASE_SINCE, EMAIL, PASSWORD, WEAK, password_fits

FIELDS = (
    Field("email"),
    Field("password"),
    Field("remember_me", bool, required=False),
)
FAILURES_ALLOWED = 5


def login(site: Site, call: Call) -> Response:
    """A session for the right password; every wrong one is counted. Since 1.11.2 it travels in Base64."""
    given = check("LoginPayload", call.json(), FIELDS)
    password = given["password"]
    if site.settings.since("1.11.2"):
        password = _decoded(password)
    email = given["email"]
    # Until then every spelling is an address of its own (source: ``api/controllers/console/auth/login.py``).
    lowered = email.lower() if site.settings.since(ANY_CASE_SINCE) else email
    if not site.settings.since("1.11.0"):
        _demand("email", EMAIL.match(email), f"{email} is not a valid email.")
    if not site.settings.since("1.9.0"):
        # What breaks the rule is not tried (matrix "login: password that breaks the rule").
        _demand("password", PASSWORD.match(password), WEAK)
    counter = f"login_error_rate_limit:{lowered}"
    failures = int(site.cache.get(counter) or 0)
    if failures > FAILURES_ALLOWED:
        raise error(
            429, "email_code_login_limit", "Too many incorrect password attempts. Please try again later."
        )
    accounts = [a for spelled in (email, lowered) for a in site.store.all("account") if a["email"] == spelled]
    account = accounts[0] if accounts else None
    if account is None and not site.settings.since("1.9.0"):
        raise error(400, "account_not_found", "Account not found.")  # and is not counted
    if account is None or not password_fits(password, account["password"]):
        site.cache.set(counter, str(failures + 1), site.settings.lockout_seconds)
        if not site.settings.since("1.8.0"):
            raise error(400, "email_or_password_mismatch", "The email or password is mismatched.")
        raise _failed("Invalid email or password.")
    site.cache.delete(counter)
    _remember(site, account, call.client)
    return session.opened(site, account["id"])


def refresh(site: Site, call: Call) -> Response:
    """A new session for the refresh token."""
    if response := session.renewed(site, call):
        return response
    said = "message" if site.settings.since(session.COOKIES_SINCE) else "data"
    return JSONResponse({"result": "fail", said: "Invalid refresh token"}, 401)


def logout(site: Site, call: Call) -> Response:
    return session.ended(site, call)


def _demand(name: str, fits: object, said: str) -> None:
    if not fits:
        raise FieldError(invalid_param(said).body, name, said)


def _decoded(sent: str) -> str:
    try:
        return base64.b64decode(sent).decode()
    except ValueError:  # no Base64, or no UTF-8 in it
        raise _failed("Invalid encrypted data") from None


def _failed(message: str) -> ApiError:
    return error(401, "authentication_failed", message)


def _remember(site: Site, account: dict[str, Any], client: str) -> None:
    site.store.put("account", account["id"], account | {"last_login_at": now(), "last_login_ip": client})


def table(settings: Settings) -> Table:
    """The routes of a version."""
    return (
        ("POST", "/login", session.after_setup(login)),
        ("POST", "/refresh-token", refresh),
        ("POST" if settings.since(session.COOKIES_SINCE) else "GET", "/logout", session.signed_in(logout)),
    )
