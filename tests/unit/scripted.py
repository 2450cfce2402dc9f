"""A server that gives one scripted answer after another, for the client's tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx

from provision.dify import Dify

PASSWORD = "Canary-Passw0rd"
COOKIES = [("set-cookie", "access_token=acc1; Path=/"), ("set-cookie", "csrf_token=csrf1; Path=/")]
REFUSED = httpx.ConnectError("connection refused")
SERVERS = itertools.count()

Answer = httpx.Response | Exception


def ok(body: object = None, version: str = "1.16.1", extra: list[tuple[str, str]] | None = None) -> Answer:
    return httpx.Response(200, headers=[("X-Version", version), *(extra or [])], json=body or {})


def login() -> Answer:
    return ok({"result": "success"}, extra=COOKIES)


def refused(status: int, code: str = "unauthorized", message: str = "no") -> Answer:
    return httpx.Response(status, headers={"X-Version": "1.16.1"}, json={"code": code, "message": message})


class Script:
    """Gives one answer after another, whatever is asked; each is used once."""

    def __init__(self, *answers: Answer) -> None:
        self._answers: Iterator[Answer] = iter(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def dify(self, signed_in: bool = True) -> Dify:
        http = httpx.Client(base_url="http://dify:81/", transport=httpx.MockTransport(self))
        dify = Dify(http, server=f"scripted {next(SERVERS)}", sleep=self.slept.append)
        if signed_in:
            dify.sign_in("Admin@Example.com", PASSWORD)
        return dify
