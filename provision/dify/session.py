"""Signing in to Dify's console: once a run, and never a wrong password twice."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import httpx

from provision.dify.errors import DifyError
from provision.dify.transport import READ_TIMEOUT, Reply, Transport

# Servers and addresses whose password was refused by Dify in this process. More than five wrong
# passwords lock an account for 24 hours (LOGIN_LOCKOUT_DURATION), so the second one is not sent.
_REFUSED: set[tuple[str, str]] = set()

# 401 codes that say nothing about the password.
_NOT_READY = frozenset({"not_setup", "not_init_validated"})


class Session:
    """An administrator's session: signs in when first needed, again when its tokens have expired.

    The cookies are sent by hand. When Dify's CONSOLE URLs begin with https their names get the prefix
    ``__Host-`` and the Secure flag, and a cookie jar would hold them back on the plain http of a relay.
    """

    def __init__(self, transport: Transport, server: str) -> None:
        self._transport = transport
        self._server = server
        self._account: tuple[str, str] | None = None
        self._headers: dict[str, str] | None = None

    def use(self, email: str, password: str) -> None:
        """Sign in as this account; nothing is sent before the first request that needs it."""
        self._transport.hide(password, _encoded(password))
        self._account = (email.lower(), password)
        self._headers = None

    def send(
        self,
        step: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        read_timeout: float = READ_TIMEOUT,
        repeatable: bool = False,
    ) -> Reply:
        """Like `Transport.send`, signed in; `path` is below ``console/api``."""

        def once(headers: Mapping[str, str]) -> Reply:
            return self._transport.send(
                step,
                method,
                f"console/api/{path}",
                query=query,
                body=body,
                headers=headers,
                read_timeout=read_timeout,
                repeatable=repeatable,
            )

        fresh = self._headers is None
        try:
            return once(self._headers or self._sign_in())
        except DifyError as error:
            expired = error.status == 401 and error.code not in _NOT_READY and not fresh
            if not expired:
                raise
        # A 401 means that nothing was done, so even a write may be sent again.
        return once(self._sign_in())

    def _sign_in(self) -> dict[str, str]:
        step = "Sign in to Dify"
        if self._account is None:
            raise DifyError(step, "no administrator was given", "call sign_in(email, password) first")
        # Raises for a server whose login works otherwise: trying both ways would count as a wrong password.
        self._transport.version()
        email, password = self._account
        if (self._server, email) in _REFUSED:
            raise DifyError(
                step,
                f"Dify refused the password of {email} before; it was not sent again",
                "a few wrong passwords lock the account for a day: correct it, then run again",
            )
        try:
            reply = self._transport.send(
                step,
                "POST",
                "console/api/login",
                body={"email": email, "password": _encoded(password), "remember_me": True},
            )
        except DifyError as error:
            raise self._explained(error, email) from None
        if reply.get("result", str) != "success":
            raise DifyError(step, f"Dify answered {reply.body.get('result')!r}: {email} has no workspace")
        self._headers = self._session_headers(step, reply.cookies)
        self._transport.forget_cookies()  # visitors' requests must not look like the administrator's
        return self._headers

    def _session_headers(self, step: str, cookies: httpx.Cookies) -> dict[str, str]:
        named = {cookie.name.removeprefix("__Host-"): cookie for cookie in cookies.jar}
        missing = [name for name in ("access_token", "csrf_token") if name not in named]
        if missing:
            raise DifyError(step, f"the answer sets no cookie {' and '.join(missing)}")
        access, csrf = named["access_token"], named["csrf_token"]
        self._transport.hide(access.value, csrf.value)
        return {
            "Cookie": f"{access.name}={access.value}; {csrf.name}={csrf.value}",
            # Wanted on every request, on reads too.
            "X-CSRF-Token": csrf.value or "",
        }

    def _explained(self, error: DifyError, email: str) -> DifyError:
        if error.status == 429:
            return error.advised(
                f"wrong passwords have locked {email}: wait 24 hours, or delete the Redis key "
                f"login_error_rate_limit:{email} on the Dify host"
            )
        if error.status == 401 and error.code not in _NOT_READY:
            _REFUSED.add((self._server, email))
            return error.advised(
                f"give the password that {email} has in Dify now; a forgotten one is set anew by "
                "docker compose exec api flask reset-password"
            )
        return error


def _encoded(password: str) -> str:
    """Since 1.11.2 the console sends the password as Base64 (of its UTF-8 bytes); setup sends it plainly."""
    return base64.b64encode(password.encode()).decode()
