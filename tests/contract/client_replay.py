"""A server made of recorded answers of a real Dify, for the client's tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from provision.dify import Dify

RECORDINGS = Path(__file__).parent / "recordings"
EMAIL, PASSWORD = "admin@lab.example.com", "Lab-Passw0rd-1"
# A POST that reads, or that only opens a session.
NO_WRITES = ("/list/installations/ids", "/list/latest-versions", "/login", "/retrieve")
# Asked without a session, whatever the recorded client sent along.
OPEN = ("/setup", "/init", "/login")
# What a session, a visitor or an API key travels in.
SESSION_HEADERS = frozenset({"authorization", "cookie", "x-csrf-token", "x-app-code", "x-app-passport"})


@dataclass(frozen=True)
class Line:
    """One recorded exchange; `sent` is the JSON of the request, `session` the headers it travelled in."""

    step: str
    method: str
    url: httpx.URL
    status: int
    headers: list[tuple[str, str]]
    content: bytes
    sent: Any = None
    session: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str, str]:
        query = "&".join(f"{name}={value}" for name, value in sorted(self.url.params.items()))
        return self.method, self.url.path, query


def recorded(version: str) -> Iterator[Line]:
    """Every exchange of a recording, in its order; the recording's name begins with Dify's version."""
    for text in (RECORDINGS / f"dify-{version}.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if "request" not in line:
            continue
        request, response = line["request"], line["response"]
        # The recorder of 1.12.1 kept no headers; X-Version is on every answer of every version.
        headers = response.get("headers", {"x-version": version.partition("-")[0]})
        # Tokens were replaced by a placeholder that is no valid cookie.
        cookies = [value.replace("<value>", "token") for value in response.get("set_cookie", [])]
        url, body = httpx.URL(request["url"]), response["json"]
        session = SESSION_HEADERS & (request.get("headers") or {}).keys()
        if not url.path.startswith("/console/"):
            session -= {"cookie"}  # the recorded client's jar, which nothing but the console looks at
        if request["url"].endswith("/model-providers") and response["status"] == 200:
            body = _with_forms(body)
        yield Line(
            step=line["step"],
            method=request["method"],
            url=url,
            status=response["status"],
            headers=[*headers.items(), *(("set-cookie", cookie) for cookie in cookies)],
            content=b"" if response["status"] == 204 else json.dumps(body).encode(),
            sent=request.get("json"),
            session=session,
        )


def _with_forms(body: dict[str, Any]) -> dict[str, Any]:
    """The answer with forms in Dify's shape; the recorder kept the names of their fields only."""
    for provider in body["data"]:
        names = provider["model_credential_schema"]["variables"]
        provider["model_credential_schema"] = {
            "credential_form_schemas": [{"variable": name, "show_on": []} for name in names]
        }
    return body


def named(recording: list[Line], step: str) -> Line:
    """The first exchange of this step."""
    return next(line for line in recording if line.step == step)


def asked(line: Line, method: str, path: str) -> Line:
    """The same answer to another request of the client, where Dify answers both in the same shape."""
    return replace(line, method=method, url=httpx.URL(f"http://DIFY/{path}"))


class Replay:
    """Answers requests with the recorded answers to the same requests, in their order.

    A read shows its next recorded answer once something was written since it was last asked: so it does
    not matter how often a client looks before and after it writes.
    """

    def __init__(self, lines: list[Line], renamed: Mapping[str, str] | None = None) -> None:
        self._answers: dict[tuple[str, str, str], list[Line]] = {}
        for line in lines:
            self._answers.setdefault(line.key, []).append(line)
        self._renamed = renamed or {}
        self._shown: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.requests: list[httpx.Request] = []
        self.writes: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        query = "&".join(f"{name}={value}" for name, value in sorted(request.url.params.items()))
        key = (request.method, request.url.path, query)
        assert key in self._answers, f"not recorded: {key}"
        is_write = request.method != "GET" and not request.url.path.endswith(NO_WRITES)
        if is_write:
            is_json = request.headers.get("content-type") == "application/json"
            body = json.loads(request.content) if is_json else None
            self.writes.append((request.method, request.url.path, body))
        index, at = self._shown.get(key, (-1, -1))
        if at != len(self.writes):
            index = min(index + 1, len(self._answers[key]) - 1)
        self._shown[key] = (index, len(self.writes))
        line = self._answers[key][index]
        if not request.url.path.endswith(OPEN):
            session = request.headers.keys() & SESSION_HEADERS
            assert session == line.session, f"{key} was recorded with {set(line.session)}"
        content = line.content.decode()
        for old, new in self._renamed.items():
            content = content.replace(json.dumps(old), json.dumps(new))
        return httpx.Response(line.status, headers=line.headers, content=content)

    def dify(self, server: str) -> Dify:
        """A client of this server.

        Args:
            server: unlike that of any other test, as refused passwords are remembered for it.
        """
        http = httpx.Client(base_url="http://DIFY", transport=httpx.MockTransport(self))
        slept: list[float] = []  # a clock of its own: nobody waits for what is recorded
        dify = Dify(http, server=server, sleep=slept.append, clock=lambda: sum(slept))
        dify.sign_in(EMAIL, PASSWORD)
        return dify


def steps(recording: list[Line], *prefixes: str) -> list[Line]:
    """The exchanges whose step begins with one of these, prefix by prefix."""
    return [line for prefix in prefixes for line in recording if line.step.startswith(prefix)]
