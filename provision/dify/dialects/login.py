"""How a password is sent, and what a session travels in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from provision.dify.errors import DifyError
from provision.dify.reply import Reply


@dataclass(frozen=True)
class SessionTokens:
    """What every console request carries; the secrets in it must never be shown."""

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class LoginDialect:
    """Args:
    encoded: the password as the login wants it. Trying two ways would count as a wrong password, so this
        is decided before anything is sent.
    tokens: takes the session out of a good answer; the text names the step in an error.
    """

    encoded: Callable[[str], str]
    tokens: Callable[[str, Reply], SessionTokens]


def plain(password: str) -> str:
    """As it is."""
    return password


def base64_encoded(password: str) -> str:
    """Base64 of its UTF-8 bytes (``api/libs/encryption.py``); setup takes it plainly all the same."""
    return base64.b64encode(password.encode()).decode()


def bearer(step: str, reply: Reply) -> SessionTokens:
    """Tokens in the answer's body."""
    access = reply.get("data", dict).get("access_token")
    if not isinstance(access, str) or not access:
        raise DifyError(step, "the answer has no access token")
    refresh = reply.get("data", dict).get("refresh_token")
    return SessionTokens({"Authorization": f"Bearer {access}"}, (access, str(refresh or "")))


def cookies_and_csrf(step: str, reply: Reply) -> SessionTokens:
    """Cookies, and the value of one of them in a header, on reads too.

    They are sent by hand. When Dify's CONSOLE URLs begin with https their names get the prefix ``__Host-``
    (not with COOKIE_DOMAIN) and the Secure flag, and a cookie jar would hold them back on the plain http of
    a relay.
    """
    named = {name.removeprefix("__Host-"): (name, value) for name, value in reply.cookies.items() if value}
    missing = [name for name in ("access_token", "csrf_token") if name not in named]
    if missing:
        raise DifyError(step, f"the answer sets no cookie {' and '.join(missing)}")
    pair = [named["access_token"], named["csrf_token"]]
    (_, access), (_, csrf) = pair
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in pair), "X-CSRF-Token": csrf}
    return SessionTokens(headers, (access, csrf))
