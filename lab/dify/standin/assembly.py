"""An installation put together from its settings."""

from __future__ import annotations

from pathlib import Path

from . import indexing, tokens
from .cache import open_cache
from .context import Site
from .daemon.client import Daemon, LocalDaemon, RemoteDaemon
from .daemon.installs import Installs
from .daemon.runtimes import Runtimes
from .settings import Settings
from .store import MemoryStore, Store


def site(settings: Settings) -> Site:
    """The api's side; plugin daemon and worker are other processes when there is a URL of the one and a
    database to share with the other, else this one."""
    made = Site(
        settings=settings,
        store=_store(settings, create=False),
        cache=open_cache(settings),
        daemon=_daemon(settings),
        key=tokens.secret_key(settings.secret_key, Path(settings.storage)),
    )
    if settings.database is None:
        indexing.in_background(made)
    return made


def installs(settings: Settings) -> Installs:
    """The plugin daemon's books."""
    store = _store(settings, create=True)
    return Installs(
        store,
        settings.install_seconds,
        settings.verify_signatures,
        silent=settings.since("1.12.1"),
        modern=settings.since("1.12.0"),
    )


def _daemon(settings: Settings) -> Daemon:
    if settings.daemon_url:
        return RemoteDaemon(settings.daemon_url, settings.daemon_key)
    return LocalDaemon(installs(settings), Runtimes(settings.runtime_seconds))


def _store(settings: Settings, create: bool) -> Store:
    if settings.database is None:
        return MemoryStore()
    from .postgres import PostgresStore  # its driver is in the image only

    return PostgresStore(settings.database, create)
