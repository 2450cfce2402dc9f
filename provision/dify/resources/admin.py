"""The first administrator."""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.domain.wiring.passwords import administrator_problem


@dataclass
class AdminAccount:
    """The owner account that Dify's setup makes once.

    An existing account is left alone, whoever it belongs to: whether the password is its own is seen when
    signing in.

    Args:
        email: as it is to be signed in with. Since 1.11.3 Dify stores it in lower case and lets in either
            spelling; before, it is stored and demanded as it is given here (langgenius/dify#29978).
        password: at least 8 characters with a letter and a digit.
        init_password: the value of INIT_PASSWORD in Dify's ``.env``; without it whoever reaches a fresh
            server first becomes its owner.
        language: of the console, for instance ``zh-Hans``; Dify takes en-US for one it does not know, and
            for any before 1.9.2, which accept it and look away.
    """

    dify: Dify = field(repr=False)
    email: str
    name: str
    password: str = field(repr=False)
    init_password: str | None = field(default=None, repr=False)
    language: str = "en-US"

    @property
    def title(self) -> str:
        return "Create Dify's administrator"

    def difference(self) -> str | None:
        return None if self._finished() else "Dify has no administrator yet"

    def apply(self) -> None:
        if self._finished():
            return
        if problem := administrator_problem(self.email, self.name, self.password, self.init_password):
            raise DifyError(self.title, problem, "nothing was sent")
        transport = self.dify.transport
        transport.version()
        transport.hide(self.password, self.init_password)
        self._unlock()
        try:
            transport.send(
                self.title,
                "POST",
                "console/api/setup",
                body={
                    "email": self.email,
                    "name": self.name,
                    "password": self.password,
                    "language": self.language,
                },
            )
        except DifyError as error:
            # 403: somebody finished the setup in the meantime; that is looked at below.
            if error.status != 403:
                raise
        if not self._finished():
            raise DifyError(self.title, "Dify accepted it, but still has no administrator")

    def _finished(self) -> bool:
        reply = self.dify.transport.send(self.title, "GET", "console/api/setup", repeatable=True)
        return reply.get("step", str) == "finished"

    def _unlock(self) -> None:
        """Give INIT_PASSWORD. Its proof is a cookie, which the HTTP client's jar brings to the setup."""
        step = "Give Dify INIT_PASSWORD"
        transport = self.dify.transport
        status = transport.send(step, "GET", "console/api/init", repeatable=True).get("status", str)
        if status == "finished":
            return
        if not self.init_password:
            raise DifyError(step, "Dify wants it before the setup", "set the one of Dify's .env")
        try:
            transport.send(step, "POST", "console/api/init", body={"password": self.init_password})
        except DifyError as error:
            if error.status == 401:
                raise error.advised("it is not the INIT_PASSWORD that Dify was started with") from None
            raise
