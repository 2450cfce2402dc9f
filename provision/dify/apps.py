"""Reading Dify's apps: finding one by name, its link, its API key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from provision.dify.errors import DifyError
from provision.dify.reply import oldest_first
from provision.dify.session import Session
from provision.dify.transport import Transport
from provision.domain.wiring.retrieval import MARK

# The most that Dify allows a page.
_PAGE = 100


@dataclass(frozen=True)
class App:
    """One app as its detail shows it; `link_code` is the last part of its public chat link.

    `max_active_requests` is None where Dify does not show it (1.3.1). `site_url` and `api_url` are what Dify
    itself begins the app's links with.
    """

    id: str
    name: str
    description: str
    icon_type: str
    icon: str
    icon_background: str
    use_icon_as_answer_icon: bool
    max_active_requests: int | None
    enable_site: bool
    enable_api: bool
    site_url: str
    api_url: str
    link_code: str = field(repr=False)
    configuration: dict[str, Any] | None = field(repr=False)


@dataclass(frozen=True)
class AppKey:
    """An API key of an app. Dify gives it no name.

    Args:
        token: Dify always shows it in full.
        created_at: seconds since 1970.
        last_used_at: the same; None for one that was never used. Dify writes it down with a delay.
    """

    id: str
    token: str = field(repr=False)
    created_at: int
    last_used_at: int | None


class Apps:
    """The workspace's chat apps, by their exact names (Dify itself lets names repeat)."""

    def __init__(self, transport: Transport, session: Session) -> None:
        self._transport = transport
        self._session = session

    def find(self, name: str) -> App | None:
        """The app of exactly this name, None when there is none; of several the one with our mark.

        Raises:
            DifyError: there are several, none or more than one of them ours.
        """
        # Where an app has no description, the list shows the beginning of its prompt there.
        found = {
            str(item["id"]): MARK in str(item.get("description") or "")
            for item in self._named_like(name)
            if item.get("name") == name
        }
        ours = [app_id for app_id, marked in found.items() if marked]
        ids = ours if len(ours) == 1 else [*found]
        if len(ids) > 1:
            raise DifyError(
                f"Find the app {name}",
                f"{len(ids)} chat apps have this name: {', '.join(ids)}",
                "rename or delete all but one in Dify's console",
            )
        return self._detail(ids[0]) if ids else None

    def require(self, name: str) -> App:
        """Like `find`, but a missing app is an error."""
        app = self.find(name)
        if app is None:
            raise DifyError(f"Find the app {name}", "no chat app has this name", "create the chatbot first")
        return app

    def api_keys(self, app: App) -> list[AppKey]:
        """The app's API keys, the oldest first."""
        reply = self._session.send(
            f"Read the API keys of {app.name}", "GET", f"apps/{app.id}/api-keys", repeatable=True
        )
        keys = [
            AppKey(
                str(item["id"]),
                str(item["token"]),
                int(item.get("created_at") or 0),
                int(used) if (used := item.get("last_used_at")) else None,
            )
            for item in oldest_first(reply.objects("data"))
        ]
        self._transport.hide(*(key.token for key in keys))
        return keys

    def create_api_key(self, step: str, app: App) -> None:
        """Make another key; `api_keys` tells it."""
        reply = self._session.send(step, "POST", f"apps/{app.id}/api-keys")
        self._transport.hide(reply.get("token", str))

    def revoke_api_key(self, step: str, app: App, key: AppKey) -> None:
        """Delete a key; one that is gone already is fine."""
        try:
            self._session.send(step, "DELETE", f"apps/{app.id}/api-keys/{key.id}")
        except DifyError as error:
            if error.status != 404:
                raise

    def api_key(self, name: str) -> str:
        """The oldest API key of the app of this name."""
        keys = self.api_keys(self.require(name))
        if not keys:
            raise DifyError(f"Read the API keys of {name}", "it has none", "create the API key first")
        return keys[0].token

    def _named_like(self, name: str) -> Iterator[dict[str, Any]]:
        # Dify's filter finds any name that contains the text, in any case.
        page = 1
        while True:
            reply = self._session.send(
                f"Find the app {name}",
                "GET",
                "apps",
                query={"page": str(page), "limit": str(_PAGE), "name": name, "mode": "chat"},
                repeatable=True,
            )
            yield from reply.get("data", list)
            if not reply.optional("has_more", bool):
                return
            page += 1

    def _detail(self, app_id: str) -> App:
        reply = self._session.send("Read the app", "GET", f"apps/{app_id}", repeatable=True)
        site = reply.optional("site", dict) or {}
        return App(
            id=app_id,
            name=reply.get("name", str),
            description=reply.optional("description", str) or "",
            icon_type=reply.optional("icon_type", str) or "",
            icon=reply.optional("icon", str) or "",
            icon_background=reply.optional("icon_background", str) or "",
            use_icon_as_answer_icon=bool(reply.body.get("use_icon_as_answer_icon")),
            max_active_requests=reply.optional("max_active_requests", int),
            enable_site=reply.get("enable_site", bool),
            enable_api=reply.get("enable_api", bool),
            site_url=str(site.get("app_base_url") or ""),
            api_url=reply.optional("api_base_url", str) or "",
            link_code=str(site.get("access_token") or site.get("code") or ""),
            configuration=reply.optional("model_config", dict),
        )
