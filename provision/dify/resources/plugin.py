"""A plugin, from the marketplace or from a package file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.providers import already_installed
from provision.dify.reply import Reply
from provision.domain.wiring.plugins import PluginAction, PluginPlan, PluginReference, plan_plugin

_PLUGINS = "workspaces/current/plugin"
# Seconds between two looks at a running installation.
_POLL_PAUSE = 2.0
# Seconds. For the call itself Dify downloads the package, at most 50 MiB.
_DOWNLOAD_TIMEOUT = 300.0
_NETWORK_ADVICE = "check that Dify's api container reaches the marketplace (MARKETPLACE_API_URL)"
_SIGNATURE_ADVICE = (
    "take the package from the marketplace, which signs it; an own build needs an own key "
    "(THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS)"
)
_DAEMON_ADVICE = (
    "see docker compose logs plugin_daemon; it resolves the plugin's packages from PyPI or PIP_MIRROR_URL"
)
# The plugin daemons up to 0.5.2, of Dify 1.11.4, know no pyproject.toml
# (``internal/core/local_runtime/setup_python_environment.go``); the marketplace's packages have both files
# (dify-official-plugins, ``.github/scripts/export-legacy-requirements.sh``).
_NO_REQUIREMENTS = "failed to find requirements.txt"
_REQUIREMENTS_ADVICE = (
    "Dify before 1.12.0 wants a requirements.txt in the package: take the marketplace's, or put in what "
    "uv export writes"
)


@dataclass
class Plugin:
    """A plugin that is installed, at least in the pinned version.

    Args:
        plugin: ``author/name``, of which any version will do and the newest is installed, or the full
            identifier ``author/name:version@sha256``, which an older one is upgraded to.
        timeout: seconds for an installation; the plugin daemon has a bound of its own, 15 minutes by default.
        progress: receives a line whenever the installation's state changes.
        package: a ``.difypkg`` file to install it from, without the marketplace. Its checksum, which a
            signature changes, may be another than the pinned one; its version may not be older. Dify cannot
            upgrade to a file, so an older installed version is still upgraded from the marketplace.
    """

    dify: Dify = field(repr=False)
    plugin: str
    timeout: float = 900.0
    progress: Callable[[str], None] | None = field(default=None, repr=False)
    package: Path | None = None

    def __post_init__(self) -> None:
        self._wanted = PluginReference.parse(self.plugin)

    @property
    def title(self) -> str:
        return f"Install the plugin {self._wanted.plugin_id}"

    def difference(self) -> str | None:
        return self._plan(self._installed()).reason or None

    def apply(self) -> None:
        installed = self._installed()
        plan = self._plan(installed)
        if plan.action is PluginAction.NOTHING:
            return
        if plan.action is PluginAction.INSTALL:
            source, identifier = (
                ("marketplace", self._identifier()) if self.package is None else ("pkg", self._uploaded())
            )
            body: dict[str, object] = {"plugin_unique_identifiers": [identifier]}
            self._follow(self._start(f"install/{source}", body))
        else:
            original = installed.identifier if installed else None
            body = {
                "original_plugin_unique_identifier": original,
                "new_plugin_unique_identifier": self._wanted.identifier,
            }
            self._follow(self._start("upgrade/marketplace", body))
        # A task may report success and have changed nothing: another version over an installed one, or
        # an installation that ran out of time.
        if reason := self._plan(self._installed()).reason:
            raise DifyError(self.title, f"the installation ended, but {reason}", _DAEMON_ADVICE)

    def _plan(self, installed: PluginReference | None) -> PluginPlan:
        return plan_plugin(self._wanted, installed)

    def _installed(self) -> PluginReference | None:
        reply = self.dify.console.send(
            self.title,
            "POST",
            f"{_PLUGINS}/list/installations/ids",
            body={"plugin_ids": [self._wanted.plugin_id]},
            repeatable=True,
        )
        for item in reply.objects("plugins"):
            if item.get("plugin_id") == self._wanted.plugin_id:
                return self._reference(item["plugin_unique_identifier"])
        return None

    def _reference(self, identifier: object) -> PluginReference:
        try:
            return PluginReference.parse(str(identifier))
        except ValueError as error:
            advice = "is this Dify newer than this tool knows?"
            raise DifyError(self.title, f"Dify names a plugin in another way: {error}", advice) from None

    def _identifier(self) -> str:
        """The pinned package, or the newest that the marketplace has."""
        if self._wanted.identifier is not None:
            return self._wanted.identifier
        reply = self.dify.console.send(
            f"Look up the newest {self._wanted.plugin_id}",
            "POST",
            f"{_PLUGINS}/list/latest-versions",
            body={"plugin_ids": [self._wanted.plugin_id]},
            repeatable=True,
        )
        latest = reply.get("versions", dict).get(self._wanted.plugin_id)
        if not latest:  # also the answer when the marketplace cannot be reached
            raise DifyError(
                self.title, "the marketplace does not know it or cannot be reached", _NETWORK_ADVICE
            )
        return str(latest["unique_identifier"])

    def _uploaded(self) -> str:
        """Give Dify the package file; the answer says which plugin it is."""
        assert self.package is not None
        try:
            reply = self.dify.console.send(
                self.title,
                "POST",
                f"{_PLUGINS}/upload/pkg",
                files={"pkg": self.package},
                read_timeout=_DOWNLOAD_TIMEOUT,
            )
        except OSError as error:
            raise DifyError(self.title, f"{self.package} cannot be read: {error}") from None
        except DifyError as error:
            unsigned = "bad signature" in error.problem
            raise error.advised(_SIGNATURE_ADVICE if unsigned else error.advice) from None
        identifier = reply.get("unique_identifier", str)
        given = self._reference(identifier)
        if given.plugin_id != self._wanted.plugin_id or self._plan(given).action is not PluginAction.NOTHING:
            raise DifyError(
                self.title, f"{self.package} is {identifier}", "give the package of the wanted version"
            )
        return identifier

    def _start(self, path: str, body: dict[str, object]) -> Reply | None:
        try:
            return self.dify.console.send(
                self.title, "POST", f"{_PLUGINS}/{path}", body=body, read_timeout=_DOWNLOAD_TIMEOUT
            )
        except DifyError as error:
            if already_installed(error):
                # Somebody else installed it in the meantime; the list is read next.
                return None
            if path.startswith("upgrade/") and self.package is not None:
                raise error.advised(
                    f"Dify upgrades a plugin from the marketplace only, not from {self.package}: name the "
                    "package of the installed version, or remove the plugin in Dify's console (credentials "
                    "of other models go with it) and run again"
                ) from None
            if path.startswith("upgrade/") and error.status == 500:
                raise error.advised(
                    "a plugin that was installed from a file cannot be upgraded from the marketplace: "
                    "upgrade it in Dify's console, or unpin it"
                ) from None
            raise error.advised(error.advice or _NETWORK_ADVICE) from None

    def _follow(self, started: Reply | None) -> None:
        """Wait for the end of the task. Only the poll that sees it clears Dify's cached provider list."""
        task_id = started.optional("task_id", str) if started else None
        if not task_id:
            return
        deadline = self.dify.transport.clock() + self.timeout
        shown = ""
        while True:
            task = self._task(task_id)
            if task is None or task.get("status") == "success":
                return
            messages = self._messages(task)
            if task.get("status") == "failed":
                raise DifyError(self.title, f"the installation failed: {messages}", _advice(messages))
            if (line := f"{task.get('status')}: {messages}") != shown:
                shown = line
                if self.progress:
                    self.progress(line)
            if self.dify.transport.clock() >= deadline:
                raise DifyError(self.title, f"still {line} after {self.timeout:.0f} s", _advice(line))
            self.dify.transport.sleep(_POLL_PAUSE)

    def _task(self, task_id: str) -> dict[str, Any] | None:
        """The task; None when Dify has none, as the daemon deletes a good one after a minute."""
        try:
            reply = self.dify.console.send(self.title, "GET", f"{_PLUGINS}/tasks/{task_id}", repeatable=True)
        except DifyError as error:
            if error.status in (404, 500):
                return None
            raise
        task: dict[str, Any] = reply.get("task", dict)
        return task

    def _messages(self, task: dict[str, Any]) -> str:
        said = (str(item.get("message", "")) for item in task.get("plugins") or [])
        return self.dify.transport.readable("; ".join(said))


def _advice(messages: str) -> str:
    return _REQUIREMENTS_ADVICE if _NO_REQUIREMENTS in messages else _DAEMON_ADVICE
