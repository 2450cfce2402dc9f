"""Trouble on demand: what a real Dify does when it starts slowly, forgets, or lies.

Other trouble needs no switch: a plugin daemon or a worker that is down is a container that does not run, and
wrong passwords lock an account as they do in the real one.
"""

from __future__ import annotations

import re
import time

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from . import errors
from .settings import Settings

GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"
# What answers while another container still migrates (contract 1.4).
WITHOUT_TABLES = re.compile(r"/health|.*/(ping|system-features|version)")
# What answers, too, while an older version's database is being migrated: the table of the setup is there.
WITH_OLD_TABLES = re.compile(r".*/setup")
TASK = re.compile(r".*/plugin/tasks/[^/]+")


class BadGateway:
    """nginx before the API listens: its own page, and nothing of Dify's, for the first seconds."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._until = time.monotonic() + settings.bad_gateway_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = HTMLResponse(GATEWAY, 502) if time.monotonic() < self._until else self._app
        await app(scope, receive, send)


class Faults:
    """Dify's own: tables that are not there yet, tasks that are gone, writes that are lost."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        started = time.monotonic()
        self._until = started + settings.without_tables_seconds
        self._migrated_at = started + settings.migrating_elsewhere_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._instead(scope["method"], scope["path"]) if scope["type"] == "http" else None
        await (found or self._app)(scope, receive, send)

    def _instead(self, method: str, path: str) -> Response | None:
        answers = WITHOUT_TABLES.fullmatch(path)
        without_tables = time.monotonic() < self._until and not answers
        answers = answers or WITH_OLD_TABLES.fullmatch(path)
        migrating = time.monotonic() < self._migrated_at and not answers
        if without_tables or migrating or (self._settings.expired_tasks and TASK.fullmatch(path)):
            failure = errors.unknown_failure()
            return JSONResponse(failure.body, failure.status)
        lost = self._settings.lost_writes
        if method != "GET" and lost and re.search(lost, path):
            return JSONResponse({"result": "success"})
        return None
