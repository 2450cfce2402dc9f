"""The daemon's door: JSON in an envelope of code, message and data, behind ``X-Api-Key``."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse

from ..call import Call, route
from ..errors import ApiError
from . import models, pooling, tools
from .failures import DaemonError
from .installs import Installs, describe

PREFIX = "/plugin/{tenant_id}"


def app(installs: Installs, key: str) -> Starlette:
    """The daemon as an ASGI application.

    Args:
        key: ``SERVER_KEY``, what the api has to send.
    """

    def guarded(work: Callable[[Call], Any]) -> Callable[[Call], Response]:
        return partial(_guarded, key, work)

    table: list[tuple[str, str, Callable[[Call], Any]]] = [
        ("GET", "/management/list", lambda c: _listed(installs, c)),
        ("POST", "/management/install/upload/package", lambda c: installs.upload(c.files["dify_pkg"])),
        ("POST", "/management/install/upload/identifier", lambda c: installs.accept(c.json()["identifier"])),
        ("GET", "/management/decode/from_identifier", lambda c: installs.manifest(c.query["identifier"])),
        ("POST", "/management/install/identifiers", lambda c: installs.install(**c.json())),
        ("POST", "/management/install/upgrade", lambda c: installs.upgrade(**c.json())),
        ("GET", "/management/install/tasks", lambda _: installs.tasks()),
        ("GET", "/management/install/tasks/{task_id}", lambda c: installs.task(c.path["task_id"])),
        (
            "POST",
            "/management/install/tasks/{task_id}/delete",
            lambda c: installs.forget_task(c.path["task_id"]),
        ),
        ("POST", "/management/uninstall", lambda c: installs.uninstall(c.json()["plugin_installation_id"])),
        ("GET", "/management/models", lambda _: [i["plugin_id"] for i in installs.installed()]),
        ("POST", "/dispatch/model/validate_model_credentials", _validate),
        ("POST", "/dispatch/tool/validate_credentials", lambda c: tools.validate(**c.json())),
        ("POST", "/dispatch/text_embedding/invoke", lambda c: pooling.embed(**c.json())),
        ("POST", "/dispatch/rerank/invoke", lambda c: pooling.rerank(**c.json())),
    ]
    routes = [route(method, PREFIX + path, guarded(work)) for method, path, work in table]
    routes.append(route("POST", PREFIX + "/dispatch/llm/invoke", partial(_invoke, key)))
    routes.append(route("GET", "/health/check", lambda _: JSONResponse({"status": "ok"})))
    return Starlette(routes=routes)


def _guarded(key: str, work: Callable[[Call], Any], call: Call) -> Response:
    _let_in(key, call)
    try:
        return JSONResponse({"code": 0, "message": "success", "data": work(call)})
    except DaemonError as failure:
        return JSONResponse(_envelope(failure))


def _let_in(key: str, call: Call) -> None:
    if not hmac.compare_digest(call.headers.get("x-api-key", "").encode(), key.encode()):
        raise ApiError(401, {"code": -401, "message": "unauthorized"})


def _listed(installs: Installs, call: Call) -> list[dict[str, Any]]:
    return [describe(installation, call.path["tenant_id"]) for installation in installs.installed()]


def _validate(call: Call) -> dict[str, Any]:
    models.validate(**call.json())
    return {"result": True}


def _invoke(key: str, call: Call) -> Response:
    _let_in(key, call)
    asked = models.Invocation(**call.json())
    return StreamingResponse(_lines(asked), media_type="application/x-ndjson")


def _lines(asked: models.Invocation) -> Iterator[str]:
    try:
        for piece in models.invoke(asked):
            yield json.dumps({"code": 0, "data": piece}) + "\n"
    except DaemonError as failure:
        yield json.dumps(_envelope(failure)) + "\n"


def _envelope(failure: DaemonError) -> dict[str, Any]:
    return {"code": -400, "message": failure.message, "kind": failure.kind, "data": None}
