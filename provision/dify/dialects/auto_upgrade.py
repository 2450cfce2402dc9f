"""Where Dify keeps whether it upgrades plugins by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class AutoUpgradeDialect:
    """Both answers have the settings under ``auto_upgrade``.

    Args:
        path: of the two calls, ``fetch`` and ``change``.
        query: of ``fetch``, for a category of plugins.
        change: the body of ``change``, from category, what ``fetch`` answered, and the new settings.
    """

    path: str
    query: Callable[[str], dict[str, str]]
    change: Callable[[str, Settings, Settings], dict[str, Any]]


BY_CATEGORY = AutoUpgradeDialect(
    path="workspaces/current/plugin/auto-upgrade",
    query=lambda category: {"category": category},
    # Any other key is refused.
    change=lambda category, _, settings: {"category": category, "auto_upgrade": dict(settings)},
)

# One strategy for every category, kept with the permission to install, which must be sent back
# (``api/controllers/console/workspace/plugin.py``, ``PluginChangePreferencesApi``).
FOR_ALL = AutoUpgradeDialect(
    path="workspaces/current/plugin/preferences",
    query=lambda _: {},
    change=lambda _, shown, settings: {
        "permission": shown["permission"],
        "auto_upgrade": dict(settings),
    },
)
