"""What Dify keeps in Redis: values that expire. In memory when no Redis is configured."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

from .settings import Redis, Settings

CONNECT_SECONDS = 5


class Cache(Protocol):
    """Texts by key, each with a life in seconds."""

    def get(self, key: str) -> str | None: ...

    def set(self, key: str, value: str, seconds: int) -> None: ...

    def delete(self, key: str) -> None: ...


class MemoryCache:
    """A cache that ends with the process."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        with self._lock:
            value, until = self._values.get(key, ("", 0.0))
            return value if time.monotonic() < until else None

    def set(self, key: str, value: str, seconds: int) -> None:
        with self._lock:
            self._values[key] = (value, time.monotonic() + seconds)

    def delete(self, key: str) -> None:
        with self._lock:
            self._values.pop(key, None)


class RedisCache:
    """The real thing: a wrong password makes every use of it fail, hence the request that needs it."""

    def __init__(self, server: Redis) -> None:
        # Debian's package, in the image only.
        import redis  # type: ignore[import-not-found,unused-ignore]

        self._redis: Any = redis.Redis(
            server.host, server.port, password=server.password or None, decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS,
        )  # fmt: skip

    def get(self, key: str) -> str | None:
        value = self._redis.get(key)
        return None if value is None else str(value)

    def set(self, key: str, value: str, seconds: int) -> None:
        self._redis.set(key, value, ex=seconds)

    def delete(self, key: str) -> None:
        self._redis.delete(key)

    def ping(self) -> None:
        """Raises a Redis error unless the server answers and lets us in."""
        self._redis.ping()


def open_cache(settings: Settings) -> Cache:
    """The cache that the settings ask for."""
    return RedisCache(settings.redis) if settings.redis else MemoryCache()
