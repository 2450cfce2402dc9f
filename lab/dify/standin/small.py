"""The containers that the deploy starts and never talks to: alive, healthy, and, of the worker, at work."""

from __future__ import annotations

import logging
import signal
import threading
import urllib.parse
from collections.abc import Callable
from types import FrameType

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from .cache import RedisCache
from .call import Call, route
from .settings import Redis

log = logging.getLogger("standin")
BEAT_SECONDS = 10
WORK_SECONDS = 0.5


def healthy(role: str) -> Starlette:
    """Answers every GET: which role this is."""

    def answer(call: Call) -> Response:
        return JSONResponse({"role": role, "path": call.url_path})

    return Starlette(routes=[route("GET", "/{path:path}", answer)])


def broker(url: str) -> Redis:
    """The Redis server behind ``CELERY_BROKER_URL``, which holds the password a second time."""
    parts = urllib.parse.urlsplit(url)
    return Redis(parts.hostname or "redis", parts.port or 6379, urllib.parse.unquote(parts.password or ""))


def attend(server: Redis, work: Callable[[], None] | None = None) -> None:
    """Hold on to the broker until told to stop, as a Celery worker does: log and retry while it fails.

    Args:
        work: what there is to do again and again, as long as the broker answers.
    """
    told = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cache = RedisCache(server)
    connected = False
    while not told.is_set():
        try:
            cache.ping()
        except Exception as error:
            connected = False
            log.error("consumer: Cannot connect to the broker: %s", error)
        else:
            if not connected:
                log.info("Connected to the broker, ready.")
            connected = True
            if work:
                _try(work)
        told.wait(WORK_SECONDS if work and connected else BEAT_SECONDS)


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        log.exception("a task failed")
