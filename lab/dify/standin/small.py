"""The containers that the deploy starts and never talks to: alive, healthy, and nothing more."""

from __future__ import annotations

import logging
import signal
import threading
import urllib.parse
from types import FrameType

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from .cache import RedisCache
from .call import Call, route
from .settings import Redis

log = logging.getLogger("standin")
BEAT_SECONDS = 10


def healthy(role: str) -> Starlette:
    """Answers every GET: which role this is."""

    def answer(call: Call) -> Response:
        return JSONResponse({"role": role, "path": call.url_path})

    return Starlette(routes=[route("GET", "/{path:path}", answer)])


def broker(url: str) -> Redis:
    """The Redis server behind ``CELERY_BROKER_URL``, which holds the password a second time."""
    parts = urllib.parse.urlsplit(url)
    return Redis(parts.hostname or "redis", parts.port or 6379, urllib.parse.unquote(parts.password or ""))


def attend(server: Redis) -> None:
    """Hold on to the broker until told to stop, as a Celery worker does: log and retry while it fails."""
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
        told.wait(BEAT_SECONDS)
