"""How an app is reached: its public page, its API, its key."""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.dify.apps import App
from provision.dify.client import Dify
from provision.dify.errors import DifyError


@dataclass
class SiteAndApi:
    """The public page and the service API of the app of this name, both switched on."""

    dify: Dify = field(repr=False)
    app: str

    @property
    def title(self) -> str:
        return f"Switch on the page and the API of {self.app}"

    def difference(self) -> str | None:
        app = self.dify.apps.find(self.app)
        if app is None:
            return f"there is no chat app {self.app}"
        off = _switched_off(app)
        return f"switched off: {', '.join(off)}" if off else None

    def apply(self) -> None:
        app = self.dify.apps.require(self.app)
        for switch in _switched_off(app):
            self.dify.console.send(
                self.title, "POST", f"apps/{app.id}/{switch}-enable", body={f"enable_{switch}": True}
            )
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")


@dataclass
class ApiKey:
    """At least one API key for the app of this name; the oldest is the one to use.

    Keys have no name at Dify and can always be read again, so a new one is made only when there is none.
    """

    dify: Dify = field(repr=False)
    app: str

    @property
    def title(self) -> str:
        return f"Create an API key for {self.app}"

    def difference(self) -> str | None:
        app = self.dify.apps.find(self.app)
        if app is None:
            return f"there is no chat app {self.app}"
        return None if self.dify.apps.api_keys(app) else f"{self.app} has no API key"

    def apply(self) -> None:
        app = self.dify.apps.require(self.app)
        if self.dify.apps.api_keys(app):
            return
        self.dify.apps.create_api_key(self.title, app)
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")


def _switched_off(app: App) -> list[str]:
    return [switch for switch, on in (("site", app.enable_site), ("api", app.enable_api)) if not on]
