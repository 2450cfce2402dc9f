"""From HTTP to plain functions: a handler takes a `Call` and returns a response, in a worker thread."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .errors import ApiError, error, unknown_failure, unsupported_media_type

log = logging.getLogger("standin")


@dataclass
class Call:
    """One request.

    Args:
        path: parameters of the path.
        files: uploaded files by form field.
        base: scheme and host as the client spelled them, without a slash at the end.
        account: who is signed in; filled in by `session.signed_in`.
        app: whose key or page it is; filled in by the service and web APIs.
        end_user: who asks there.
    """

    method: str
    url_path: str
    path: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    cookies: dict[str, str]
    body: bytes
    files: dict[str, bytes]
    base: str
    client: str
    account: dict[str, Any] = field(default_factory=dict)
    app: dict[str, Any] = field(default_factory=dict)
    end_user: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The JSON object in the body.

        Raises:
            ApiError: 415 without a JSON content type, 400 when it is no JSON object.
        """
        if "json" not in self.headers.get("content-type", ""):
            raise unsupported_media_type()
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            raise error(400, "bad_request", "Failed to decode JSON object") from None
        if not isinstance(found, dict):
            raise error(400, "bad_request", "Failed to decode JSON object")
        return found

    def bearer(self) -> str | None:
        """The token after ``Authorization: Bearer``."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None


Handler = Callable[[Call], Response]


def route(methods: str, path: str, handler: Handler) -> Route:
    """A route to a handler.

    Args:
        methods: HTTP methods with a space between them.
    """

    async def endpoint(request: Request) -> Response:
        call = await _read(request)
        return await anyio.to_thread.run_sync(_answer, handler, call)

    return Route(path, endpoint, methods=methods.split())


def result(value: str = "success", status: int = 200) -> JSONResponse:
    """The answer of most writes."""
    return JSONResponse({"result": value}, status)


def no_content() -> Response:
    return Response(status_code=204)


def now() -> int:
    """Seconds since 1970, as Dify dates its rows."""
    return int(time.time())


def _answer(handler: Handler, call: Call) -> Response:
    try:
        return handler(call)
    except ApiError as refused:
        return JSONResponse(refused.body, refused.status)
    except Exception:
        log.exception("%s %s failed", call.method, call.url_path)
        failure = unknown_failure()
        return JSONResponse(failure.body, failure.status)


async def _read(request: Request) -> Call:
    body = await request.body()
    files = {}
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form() as form:
            files = {name: await part.read() for name, part in form.items() if not isinstance(part, str)}
    return Call(
        method=request.method,
        url_path=request.url.path,
        path={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        headers=dict(request.headers),
        cookies=dict(request.cookies),
        body=body,
        files=files,
        base=f"{request.url.scheme}://{request.url.netloc}",
        client=request.client.host if request.client else "",
    )
