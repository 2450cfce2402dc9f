"""Requests to one Dify server: time-outs, careful retries, errors, the version, secrets kept out of sight."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from provision.dify.errors import DifyError
from provision.dify.reply import Reply, json_object
from provision.domain.wiring.masking import readable_message
from provision.domain.wiring.versions import OLDEST_DIFY, Version

# Seconds. Dify answers reads in well under a second; 30 s is for a server that is just starting.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
# Pauses before the repetitions of a request that may be repeated.
RETRY_PAUSES = (1.0, 2.0, 4.0)
# The same once Dify was met: it is restarting, which takes its API up to 20 s.
RESTART_PAUSES = (*RETRY_PAUSES, 8.0, 15.0)
# nginx answers these while an upstream starts or restarts.
_GATEWAY_STATUS = frozenset({502, 503, 504})


class Transport:
    """One server's door. Every request of the client goes through `send`.

    Args:
        http: its ``base_url`` is the server's root; its transport may be anything, a relay for instance.
        sleep: waits a number of seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        http: httpx.Client,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self.sleep = sleep
        self.clock = clock
        self._reported_version: str | None = None
        self._secrets: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        return str(self._http.base_url).rstrip("/")

    def hide(self, *secrets: str | None) -> None:
        """Never show these values in a message."""
        self._secrets |= {secret for secret in secrets if secret}

    @property
    def met(self) -> bool:
        """Whether anything that answered was Dify: all its answers carry X-Version, a proxy's do not."""
        return self._reported_version is not None

    def readable(self, text: str) -> str:
        """Text of Dify's, fit to be shown; see `provision.domain.wiring.masking.readable_message`."""
        return readable_message(text, self._secrets)

    def forget_cookies(self) -> None:
        """Empty the HTTP client's jar, so that its cookies travel with nothing that follows."""
        self._http.cookies.clear()

    def version(self) -> Version:
        """The server's version, from the header X-Version that every answer of Dify carries.

        Raises:
            DifyError: no such header, or a Dify older than this client speaks.
        """
        step = "Read Dify's version"
        if self._reported_version is None:
            self.send(step, "GET", "console/api/setup", repeatable=True)
        try:
            version = Version.parse(self._reported_version or "")
        except ValueError:
            raise DifyError(
                step,
                f"{self.root} answers without a version (X-Version: {self._reported_version!r})",
                "is another program listening on Dify's port?",
            ) from None
        if version < OLDEST_DIFY:
            advice = f"this client speaks Dify {OLDEST_DIFY} and newer"
            raise DifyError(step, f"{self.root} is Dify {version}", advice)
        return version

    def send(
        self,
        step: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        files: Mapping[str, Path] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float = READ_TIMEOUT,
        repeatable: bool = False,
    ) -> Reply:
        """Send one request and return its good answer.

        Args:
            step: what this is for, in the imperative; errors begin with it.
            path: below the server's root, without a leading slash.
            files: form field to the file that it uploads; in the place of a body.
            read_timeout: seconds without a byte of the answer.
            repeatable: it only reads, so it is sent again after a broken connection or a 502, 503, 504.

        Raises:
            DifyError: it could not be sent, or the answer's status is 400 or more.
            OSError: a file cannot be read.
        """
        request = f"{method} /{path}"
        # Read whole, so that each repetition sends all of it.
        parts = {name: (file.name, file.read_bytes()) for name, file in files.items()} if files else None
        pauses = RESTART_PAUSES if self.met else RETRY_PAUSES
        for pause in (*(pauses if repeatable else ()), None):
            try:
                response = self._http.request(
                    method,
                    path,
                    params=query,
                    json=body,
                    files=parts,
                    headers=headers,
                    timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT, read=read_timeout),
                    follow_redirects=False,
                )
            except httpx.RequestError as error:
                if pause is None:
                    raise self._unreachable(step, request, error) from error
            else:
                if pause is None or response.status_code not in _GATEWAY_STATUS:
                    self._demand_good(step, request, response)
                    return Reply(step, request, response)
            self.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def events(
        self,
        step: str,
        path: str,
        *,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        timeout: float,
    ) -> Iterator[dict[str, Any]]:
        """Send a request and give the events of its answer as they come (``text/event-stream``).

        Args:
            timeout: seconds for all of it. A stream that is kept alive by pings alone never ends by itself.

        Raises:
            DifyError: refused, broken off, or not at its end in time.
        """
        request = f"POST /{path}"
        deadline = self.clock() + timeout
        limits = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT, read=timeout)
        try:
            with self._http.stream(
                "POST", path, json=body, headers=headers, timeout=limits, follow_redirects=False
            ) as response:
                if not response.is_success:
                    response.read()
                self._demand_good(step, request, response)
                for line in _lines(response):
                    if self.clock() > deadline:
                        raise DifyError(step, f"{request} has no end after {timeout:.0f} s")
                    if line.startswith(b"data:"):
                        yield self._event(step, request, line.removeprefix(b"data:"))
        except httpx.RequestError as error:
            raise self._unreachable(step, request, error) from error

    def _event(self, step: str, request: str, data: bytes) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise DifyError(step, f"{request} sent an event that is no JSON object")
        if event.get("event") == "error":
            message = self.readable(str(event.get("message", "")))
            code = str(event.get("code", ""))
            raise DifyError(step, f"{request} ended with {code}: {message}", code=code)
        return event

    def _demand_good(self, step: str, request: str, response: httpx.Response) -> None:
        self._reported_version = response.headers.get("x-version", self._reported_version)
        if response.is_success:
            return
        code, message = _error_of(response)
        shown = self.readable(message)
        answered = " ".join(part for part in (str(response.status_code), code) if part)
        raise DifyError(
            step,
            f"{request} answered {answered}: {shown}",
            _advice(response, code, shown),
            status=response.status_code,
            code=code,
        )

    def _unreachable(self, step: str, request: str, error: httpx.RequestError) -> DifyError:
        reason = self.readable(str(error)) or "no reason given"
        return DifyError(
            step,
            f"{request} got no answer from {self.root} ({type(error).__name__}: {reason})",
            "check that Dify's containers run (docker compose ps) and that its port is the one set here",
        )


def _error_of(response: httpx.Response) -> tuple[str | None, str]:
    """Code and message of an error answer, in any of Dify's shapes.

    They are: ``{"code","message","status"}``; ``{"errors":{<field>:<text>},"message"}`` (bad input, 1.8 to
    1.10); ``{"error":{"type","message"}}`` (setup and init since 1.12); ``{"custom","message"}`` (too many
    API keys); ``{"result","data"}`` (a login without a workspace, a refused refresh); a proxy's page.
    """
    body = json_object(response)
    if body is None:
        return None, response.reason_phrase or "not JSON"
    nested = body.get("error")
    if isinstance(nested, dict):
        return str(nested.get("type", "")) or None, str(nested.get("message", ""))
    code = body.get("code") or body.get("custom")
    message = str(body.get("message") or body.get("data") or "no message")
    if isinstance(fields := body.get("errors"), dict):
        message = "; ".join([message, *(f"{name}: {text}" for name, text in fields.items())])
    return (str(code) if code else None), message


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """The lines of a stream as they come. ``iter_lines`` also parts at U+2028 and the like, which from 1.8.1
    on stand as they are in an event's JSON (``base_app_generator.py``, orjson)."""
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


# By words of Dify's, which come with codes that say less.
_ADVICE = {
    "request plugin daemon": "Dify's plugin_daemon container does not answer: see docker compose ps and its "
    "log",
    # base_app_generator.py: what visitors have to fill in first.
    "is required in input form": "somebody made a variable of this chatbot required, which questions without "
    "it cannot have: make it optional in Dify's console, or remove it",
    # dataset_service.py, check_doc_form.
    "doc_form is different from the dataset doc_form": "somebody put a document of another kind (parent and "
    "child, or questions and answers) into this dataset first: remove it in Dify's console",
}


def _advice(response: httpx.Response, code: str | None, message: str) -> str:
    if code == "max_keys_exceeded":
        return "an app has ten API keys at most: revoke one first"
    for words, advice in _ADVICE.items():
        if words in message:
            return advice
    return "see the logs of Dify's api and plugin_daemon containers" if response.is_server_error else ""
