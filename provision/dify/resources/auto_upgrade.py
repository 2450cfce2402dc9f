"""Whether Dify upgrades plugins by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from provision.dify.client import Dify
from provision.dify.errors import DifyError

_AUTO_UPGRADE = "workspaces/current/plugin/auto-upgrade"
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
    """The upgrade strategy of a category of plugins (since 1.15.0 a new workspace has ``latest`` for models).

    The other keys (time of day, exceptions) stay as they are.
    """

    dify: Dify = field(repr=False)
    category: str = "model"
    strategy: Literal["disabled", "fix_only", "latest"] = "disabled"

    @property
    def title(self) -> str:
        return f"Set the automatic upgrade of {self.category} plugins"

    def difference(self) -> str | None:
        actual = self._stored()["strategy_setting"]
        return None if actual == self.strategy else f"it is {actual}, wanted is {self.strategy}"

    def apply(self) -> None:
        stored = self._stored()
        if stored["strategy_setting"] == self.strategy:
            return
        settings = {key: stored[key] for key in _KEYS if key in stored}
        self.dify.console.send(
            self.title,
            "POST",
            f"{_AUTO_UPGRADE}/change",
            body={
                "category": self.category,
                "auto_upgrade": {**settings, "strategy_setting": self.strategy},
            },
        )
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")

    def _stored(self) -> dict[str, Any]:
        reply = self.dify.console.send(
            self.title,
            "GET",
            f"{_AUTO_UPGRADE}/fetch",
            query={"category": self.category},
            repeatable=True,
        )
        stored: dict[str, Any] = reply.get("auto_upgrade", dict)
        return {"strategy_setting": None, **stored}
