"""Whether Dify upgrades plugins by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from provision.dify.client import Dify
from provision.dify.dialects.auto_upgrade import AutoUpgradeDialect
from provision.dify.errors import DifyError
from provision.dify.reply import Reply

# The keys that the server accepts back; any other is refused.
_KEYS = (
    "strategy_setting",
    "upgrade_time_of_day",
    "upgrade_mode",
    "exclude_plugins",
    "include_plugins",
)


@dataclass
class PluginAutoUpgrade:
    """The upgrade strategy of a category of plugins; the other settings (time of day, exceptions) stay.

    Since 1.15.0 a new workspace has ``latest`` for models and ``fix_only`` for all others
    (``services/plugin/plugin_auto_upgrade_service.py``). From 1.7 to 1.14 there is one strategy for all
    categories, which this sets whatever the category; before 1.7 Dify upgrades nothing by itself, so
    nothing is done.
    """

    dify: Dify = field(repr=False)
    category: str = "model"
    strategy: Literal["disabled", "fix_only", "latest"] = "disabled"

    @property
    def title(self) -> str:
        return f"Set the automatic upgrade of {self.category} plugins"

    def difference(self) -> str | None:
        dialect = self.dify.generation.auto_upgrade
        if dialect is None:
            return None
        actual = self._settings(self._shown(dialect)).get("strategy_setting")
        return None if actual == self.strategy else f"it is {actual}, wanted is {self.strategy}"

    def apply(self) -> None:
        dialect = self.dify.generation.auto_upgrade
        if dialect is None:
            return
        shown = self._shown(dialect)
        settings = self._settings(shown)
        if settings.get("strategy_setting") == self.strategy:
            return
        self.dify.console.send(
            self.title,
            "POST",
            f"{dialect.path}/change",
            body=dialect.change(self.category, shown.body, {**settings, "strategy_setting": self.strategy}),
        )
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")

    def _shown(self, dialect: AutoUpgradeDialect) -> Reply:
        return self.dify.console.send(
            self.title, "GET", f"{dialect.path}/fetch", query=dialect.query(self.category), repeatable=True
        )

    def _settings(self, shown: Reply) -> dict[str, Any]:
        settings = shown.get("auto_upgrade", dict)
        return {key: settings[key] for key in _KEYS if key in settings}
