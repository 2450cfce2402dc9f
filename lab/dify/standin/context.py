"""What every handler needs: settings, state, cache and the way to the plugin daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from . import older
from .cache import Cache
from .call import Call, route
from .daemon.client import Daemon
from .errors import ApiError
from .settings import Settings
from .store import Store


@dataclass(frozen=True)
class Site:
    """One installation of Dify.

    Args:
        key: signs sessions and passports.
    """

    settings: Settings
    store: Store
    cache: Cache
    daemon: Daemon
    key: str

    def setup_row(self) -> dict[str, Any] | None:
        """What the setup left behind: time, account and workspace; ``None`` before it."""
        return self.store.get("setup", "only")

    def tenant_id(self) -> str:
        """The one workspace."""
        row = self.setup_row()
        return str(row["tenant_id"]) if row else ""


SiteHandler = Callable[[Site, Call], Response]
Table = Sequence[tuple[str, str, SiteHandler]]


def bind(site: Site, table: Table, prefix: str = "") -> list[Route]:
    """Routes of one installation, from lines of methods, path and handler."""
    return [route(methods, prefix + path, partial(_said, site, handler)) for methods, path, handler in table]


def _said(site: Site, handler: SiteHandler, call: Call) -> Response:
    try:
        return handler(site, call)
    except ApiError as refused:
        raise older.spoken(site.settings, refused, call.method) from None
