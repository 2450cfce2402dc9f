"""The api container's application: console, service and web API (contract sections 1 to 9)."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import (
    VERSION,
    account,
    apps,
    credentials,
    dataset_api,
    dataset_keys,
    datasets,
    default_models,
    errors,
    features,
    keys,
    login,
    models,
    plugin_policies,
    plugins,
    service_api,
    setup,
    sites,
    tool_providers,
    web_api,
)
from .call import Call
from .context import Site, Table, bind

CONSOLE = "/console/api"
WORKSPACE = f"{CONSOLE}/workspaces/current"
CONSOLE_TABLES: tuple[Table, ...] = (
    setup.TABLE,
    features.TABLE,
    login.TABLE,
    account.TABLE,
    apps.TABLE,
    sites.TABLE,
    keys.TABLE,
    dataset_keys.TABLE,  # before a dataset's own routes, which would take "api-keys" for an id
    datasets.TABLE,
)
WORKSPACE_TABLES: tuple[Table, ...] = (
    plugin_policies.TABLE,
    plugins.TABLE,
    credentials.TABLE,
    models.TABLE,
    default_models.TABLE,
    tool_providers.TABLE,
)


def app(site: Site) -> Starlette:
    """The application of one installation."""
    routes = bind(site, (("GET", "/health", health), ("GET", "/v1", to_index)))
    for table in CONSOLE_TABLES:
        routes += bind(site, table, CONSOLE)
    for table in WORKSPACE_TABLES:
        routes += bind(site, table, WORKSPACE)
    routes += bind(site, service_api.TABLE, "/v1")
    routes += bind(site, dataset_api.TABLE, "/v1")
    routes += bind(site, web_api.TABLE, "/api")
    application = Starlette(
        routes=routes,
        middleware=[Middleware(Signature, environment=site.settings.deploy_env)],
        exception_handlers={404: _no_such_page, 405: _wrong_method},
    )
    application.router.redirect_slashes = False
    return application


def health(_: Site, __: Call) -> Response:
    """The process is up; says nothing of the database (the container's health check)."""
    return JSONResponse({"pid": os.getpid(), "status": "ok", "version": VERSION})


def to_index(_: Site, call: Call) -> Response:
    """The index has a slash at its end, and is 404 itself since 1.8."""
    return RedirectResponse(f"{call.base}/v1/", 308, headers={"content-type": "text/html; charset=utf-8"})


class Signature:
    """Puts ``X-Version`` on every answer, errors and redirects included (``ext_app_metrics.py``)."""

    def __init__(self, app: ASGIApp, environment: str) -> None:
        self._app = app
        self._environment = environment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Version"] = VERSION
                headers["X-Env"] = self._environment
            await send(message)

        await self._app(scope, receive, signed)


async def _no_such_page(_: Request, __: Exception) -> Response:
    return HTMLResponse(errors.NOT_FOUND_PAGE, 404)


async def _wrong_method(_: Request, error: Exception) -> Response:
    refused = errors.error(405, "method_not_allowed", "The method is not allowed for the requested URL.")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return JSONResponse(refused.body, 405, headers=headers)
