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
from .runtimes import Runtimes

PREFIX = "/plugin/{tenant_id}"


def app(installs: Installs, runtimes: Runtimes, key: str) -> Starlette:
    """The daemon as an ASGI application.

    Args:
        runtimes: what everything that is dispatched needs.
        key: ``SERVER_KEY``, what the api has to send.
    """

    def guarded(work: Callable[[Call], Any]) -> Callable[[Call], Response]:
        return partial(_guarded, key, work)

    def running(work: Callable[[Call], Any]) -> Callable[[Call], Any]:
        return partial(_running, runtimes, work)

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
        ("POST", "/dispatch/model/validate_model_credentials", running(_validate)),
        ("POST", "/dispatch/model/schema", running(lambda c: models.schema(**c.json()))),
        ("POST", "/dispatch/tool/validate_credentials", running(lambda c: tools.validate(**c.json()))),
        ("POST", "/dispatch/text_embedding/invoke", running(lambda c: pooling.embed(**c.json()))),
        ("POST", "/dispatch/rerank/invoke", running(lambda c: pooling.rerank(**c.json()))),
    ]
    routes = [route(method, PREFIX + path, guarded(work)) for method, path, work in table]
    routes.append(route("POST", PREFIX + "/dispatch/llm/invoke", partial(_invoke, key, runtimes)))
    routes.append(route("GET", "/health/check", lambda _: JSONResponse({"status": "ok"})))
    return Starlette(routes=routes)


def _guarded(key: str, work: Callable[[Call], Any], call: Call) -> Response:
    _let_in(key, call)
    try:
        return JSONResponse({"code": 0, "message": "success", "data": work(call)})
    except DaemonError as failure:
        return JSONResponse(_envelope(failure))


def _running(runtimes: Runtimes, work: Callable[[Call], Any], call: Call) -> Any:
    runtimes.demand()
    return work(call)


def _let_in(key: str, call: Call) -> None:
    if not hmac.compare_digest(call.headers.get("x-api-key", "").encode(), key.encode()):
        raise ApiError(401, {"code": -401, "message": "unauthorized"})


def _listed(installs: Installs, call: Call) -> list[dict[str, Any]]:
    return [describe(installation, call.path["tenant_id"]) for installation in installs.installed()]


def _validate(call: Call) -> dict[str, Any]:
    models.validate(**call.json())
    return {"result": True}


def _invoke(key: str, runtimes: Runtimes, call: Call) -> Response:
    _let_in(key, call)
    asked = models.Invocation(**call.json())
    return StreamingResponse(_lines(runtimes, asked), media_type="application/x-ndjson")


def _lines(runtimes: Runtimes, asked: models.Invocation) -> Iterator[str]:
    try:
        runtimes.demand()
        for piece in models.invoke(asked):
            yield json.dumps({"code": 0, "data": piece}) + "\n"
    except DaemonError as failure:
        yield json.dumps(_envelope(failure)) + "\n"


def _envelope(failure: DaemonError) -> dict[str, Any]:
    return {"code": -400, "message": failure.message, "kind": failure.kind, "data": None}
