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
    upserts,
    web_api,
)
from .call import Call
from .context import Site, Table, bind
from .faults import BadGateway, Faults
from .settings import Settings

CONSOLE = "/console/api"
WORKSPACE = f"{CONSOLE}/workspaces/current"
CONSOLE_TABLES: tuple[Table, ...] = (
    setup.TABLE,
    apps.TABLE,
    sites.TABLE,
    keys.TABLE,
    dataset_keys.TABLE,  # before a dataset's own routes, which would take "api-keys" for an id
    datasets.TABLE,
)


def app(site: Site) -> Starlette:
    """The application of one installation."""
    routes = bind(site, (("GET", "/health", health), ("GET", "/v1", to_index)))
    told = site.settings
    for table in (login.table(told), account.table(told), features.table(told), *CONSOLE_TABLES):
        routes += bind(site, table, CONSOLE)
    named = (credentials.TABLE, models.TABLE) if told.since("1.8.0") else (upserts.TABLE,)
    plugin_tables = (plugin_policies.table(told), plugins.table(told))
    for table in (*plugin_tables, *named, models.LISTS, default_models.TABLE, tool_providers.table(told)):
        routes += bind(site, table, WORKSPACE)
    if not told.since("1.8.0"):
        routes += bind(site, (("GET", "/v1/", index),))
    routes += bind(site, service_api.table(told), "/v1")
    routes += bind(site, dataset_api.TABLE, "/v1")
    routes += bind(site, web_api.TABLE, "/api")
    application = Starlette(
        routes=routes,
        middleware=[Middleware(each, settings=site.settings) for each in (BadGateway, Signature, Faults)],
        exception_handlers={404: _no_such_page, 405: _wrong_method},
    )
    application.router.redirect_slashes = False
    return application


def health(site: Site, _: Call) -> Response:
    """The process is up; says nothing of the database (the container's health check)."""
    return JSONResponse({"pid": os.getpid(), "status": "ok", "version": site.settings.version})


def index(site: Site, _: Call) -> Response:
    """The service API's, up to 1.7.2."""
    said = {"welcome": "Dify OpenAPI", "api_version": "v1", "server_version": site.settings.version}
    return JSONResponse(said)


def to_index(_: Site, call: Call) -> Response:
    """The index has a slash at its end, and is 404 itself since 1.8."""
    return RedirectResponse(f"{call.base}/v1/", 308, headers={"content-type": "text/html; charset=utf-8"})


class Signature:
    """Puts ``X-Version`` on every answer, errors and redirects included (``ext_app_metrics.py``)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Version"] = self._settings.version
                headers["X-Env"] = self._settings.deploy_env
            await send(message)

        await self._app(scope, receive, signed)


async def _no_such_page(_: Request, __: Exception) -> Response:
    return HTMLResponse(errors.NOT_FOUND_PAGE, 404)


async def _wrong_method(_: Request, error: Exception) -> Response:
    refused = errors.error(405, "method_not_allowed", "The method is not allowed for the requested URL.")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return JSONResponse(refused.body, 405, headers=headers)
