"""``python3 -m standin ROLE``: a container of Dify or its ``flask``; ``MODE`` chooses among its roles."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.applications import Starlette

from . import api, assembly, command, indexing, migration, small, web
from .daemon import http
from .daemon.runtimes import Runtimes
from .settings import read

PORTS = {
    "api": 5001,
    "web": 3000,
    "plugin_daemon": 5002,
    "sandbox": 8194,
    "local_sandbox": 5004,
    "agent_backend": 5050,
    "weaviate": 8080,
}
PORT_SETTINGS = {"api": "DIFY_PORT", "plugin_daemon": "SERVER_PORT", "sandbox": "SANDBOX_PORT"}
BROKER = "redis://redis:6379/1"
GRACE_SECONDS = 5

log = logging.getLogger("standin")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    role = sys.argv[1]
    if role == "flask":
        settings = read(os.environ)
        command.run(sys.argv[2:], assembly.site(settings).store, settings)
        return
    if role == "api":
        role = {"worker": "worker", "beat": "worker_beat"}.get(os.environ.get("MODE", "api"), "api")
    if role in {"worker", "worker_beat"}:
        work = _worker() if role == "worker" else None
        small.attend(small.broker(os.environ.get("CELERY_BROKER_URL", BROKER)), work)
        return
    makers: dict[str, Callable[[], Starlette]] = {
        "api": _api,
        "plugin_daemon": _plugin_daemon,
        "web": web.app,
    }
    application = makers[role]() if role in makers else small.healthy(role)
    uvicorn.run(
        application,
        host="0.0.0.0",  # noqa: S104 - the container's own network
        port=int(os.environ.get(PORT_SETTINGS.get(role, ""), PORTS[role])),
        log_level="info",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _api() -> Starlette:
    site = assembly.site(read(os.environ))
    try:
        migration.migrate(site.store, site.settings)
    except migration.MigrationError as error:
        sys.exit(f"Database migration failed: {error}")
    except Exception:
        # No database, or a wrong password: serves nevertheless, and answers 500 (see `postgres`).
        log.exception("Database migration skipped")
    return api.app(site)


def _worker() -> Callable[[], None]:
    return partial(indexing.work, assembly.site(read(os.environ)))


def _plugin_daemon() -> Starlette:
    settings = read(os.environ)
    runtimes = Runtimes(settings.runtime_seconds)
    return http.app(assembly.installs(settings), runtimes, settings.daemon_key)


main()
