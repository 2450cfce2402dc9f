"""Signing in to Dify's console: once a run, and never a wrong password twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provision.dify.dialects.login import base64_encoded
from provision.dify.errors import DifyError, LoginRefusedError
from provision.dify.generations import generation_of
from provision.dify.reply import Reply
from provision.dify.transport import READ_TIMEOUT, Transport

# Servers and addresses whose login was refused by Dify in this process. More than five wrong passwords
# lock an account for 24 hours (LOGIN_LOCKOUT_DURATION), so the second one is not sent.
_REFUSED: set[tuple[str, str]] = set()

# 401 codes that say nothing about the password.
_NOT_READY = frozenset({"not_setup", "not_init_validated"})
# Answers to a login after which another try can only do harm. A wrong password is 401; up to 1.7.2 it is
# 400 email_or_password_mismatch, and up to 1.8.1 an unknown address is 400 account_not_found. A banned
# account and a password that breaks the rule are 400, a login by password that is switched off is 403.
_REFUSALS = frozenset({400, 401, 403, 422, 429})
# Answers to a login that say that nobody looked at the password: Dify's own 500 while another container still
# migrates the database, and nginx's while it finds no API. Not 504: there the API may have counted it.
_UNSEEN = frozenset({500, 502, 503})
# Seconds between two looks at whether it does now.
_PAUSE = 2.0


class Session:
    """An administrator's session: signs in when first needed, again when its tokens have expired.

    Attributes:
        patience: seconds for which a login is repeated whose password nobody looked at, as Dify is starting.
    """

    def __init__(self, transport: Transport, server: str) -> None:
        self._transport = transport
        self._server = server
        self.patience = 0.0
        self._account: tuple[str, str] | None = None
        self._headers: Mapping[str, str] | None = None

    def use(self, email: str, password: str) -> None:
        """Sign in as this account; nothing is sent before the first request that needs it.

        Args:
            email: as the account is spelled. Dify tells capitals apart up to 1.11.2; since then it takes the
                address as it is given and, when there is none, in lower case (langgenius/dify#29978).
        """
        self._transport.hide(password, base64_encoded(password))
        self._account = (email, password)
        self._headers = None

    def send(
        self,
        step: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        files: Mapping[str, Path] | None = None,
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
                files=files,
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

    def _sign_in(self) -> Mapping[str, str]:
        step = "Sign in to Dify"
        if self._account is None:
            raise DifyError(step, "no administrator was given", "call sign_in(email, password) first")
        dialect = generation_of(self._transport.version()).login
        email, password = self._account
        if (self._server, email.lower()) in _REFUSED:
            raise LoginRefusedError(
                step,
                f"Dify refused the password of {email} before; it was not sent again",
                "a few wrong passwords lock the account for a day: correct it, then run again",
            )
        reply = self._log_in(step, email, dialect.encoded(password))
        if reply.get("result", str) != "success":
            raise DifyError(step, f"Dify answered {reply.body.get('result')!r}: {email} has no workspace")
        tokens = dialect.tokens(step, reply)
        self._transport.hide(*tokens.secrets)
        self._transport.forget_cookies()  # visitors' requests must not look like the administrator's
        self._headers = tokens.headers
        return tokens.headers

    def _log_in(self, step: str, email: str, password: str) -> Reply:
        """Send the password until somebody has looked at it, which is once unless Dify is starting."""
        deadline = self._transport.clock() + self.patience
        while True:
            try:
                return self._transport.send(
                    step,
                    "POST",
                    "console/api/login",
                    body={"email": email, "password": password, "remember_me": True},
                )
            except DifyError as error:
                if error.status not in _UNSEEN or not self._answers_by(deadline, step):
                    raise self._explained(error, email) from None

    def _answers_by(self, deadline: float, step: str) -> bool:
        """Wait until Dify answers (again), at most until the deadline."""
        while self._transport.clock() < deadline:
            self._transport.sleep(_PAUSE)
            try:
                self._transport.send(step, "GET", "console/api/setup")
            except DifyError:
                continue
            return True
        return False

    def _explained(self, error: DifyError, email: str) -> DifyError:
        if error.status not in _REFUSALS or error.code in _NOT_READY:
            return error
        _REFUSED.add((self._server, email.lower()))
        advice = (
            f"wrong passwords have locked {email}: wait 24 hours, or delete the Redis key "
            f"login_error_rate_limit:{email} (or that in lower case) on the Dify host"
            if error.status == 429
            else f"give the address and the password that {email} has in Dify now; a forgotten password is "
            "set anew by docker compose exec api flask reset-password"
        )
        return LoginRefusedError(error.step, error.problem, advice, status=error.status, code=error.code)
