"""The marketplace, as far as the api sees it: which packages there are (contract 3.1; recording)."""

from __future__ import annotations

from typing import Any

from .daemon.packages import split
from .errors import invalid_param
from .settings import Settings

UNREACHABLE_URL = "https://marketplace.dify.ai/api/v1/plugins/batch"


def require(settings: Settings, identifier: str) -> None:
    """Raises ApiError (400) unless the marketplace can be asked and has the package."""
    if not settings.marketplace_enabled:
        raise invalid_param("marketplace is not enabled")
    if not settings.marketplace_reachable:
        raise invalid_param(f"Reached maximum retries (3) for URL {UNREACHABLE_URL}")
    if identifier not in settings.offered:
        raise invalid_param("file not found")


def latest(settings: Settings, plugin_ids: list[str]) -> dict[str, Any]:
    """The newest package of each plugin; ``None`` for unknown ones, nothing at all when unreachable."""
    if not settings.marketplace_enabled or not settings.marketplace_reachable:
        return {}
    return {plugin_id: _latest(settings, plugin_id) for plugin_id in plugin_ids}


def _latest(settings: Settings, plugin_id: str) -> dict[str, Any] | None:
    offered = [identifier for identifier in settings.offered if split(identifier)[0] == plugin_id]
    if not offered:
        return None
    return {
        "plugin_id": plugin_id,
        "version": split(offered[-1])[1],
        "unique_identifier": offered[-1],
        "status": "active",
        "deprecated_reason": "",
        "alternative_plugin_id": "",
    }
