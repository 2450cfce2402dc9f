"""How Dify reaches a tool's own service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.runtimes import when_accepted
from provision.domain.wiring.tool_credentials import ToolAction, ToolPlan, WantedTool, plan_tool

# Seconds. Dify saves only after the plugin has tried the service, which may draw a picture for that.
_SAVE_TIMEOUT = 330.0
_ADVICE = "the request comes from Dify's plugin_daemon container: from there the service must be reachable"


@dataclass
class ToolCredential:
    """The credential of a tool that a plugin brought; others of the same tool stay as they are.

    Args:
        provider: of the tool, in three parts.
        credentials: the whole form.
        masked: fields that Dify masks when they are read.
    """

    dify: Dify = field(repr=False)
    provider: str
    credentials: Mapping[str, str] = field(repr=False)
    masked: Collection[str] = ()

    def __post_init__(self) -> None:
        self._wanted = WantedTool(self.credentials, frozenset(self.masked))

    @property
    def title(self) -> str:
        return f"Connect the tool {self.provider.rpartition('/')[2]}"

    def difference(self) -> str | None:
        return self._plan().reason or None

    def apply(self) -> None:
        done: set[ToolAction] = set()
        while when_accepted(self.dify.transport, partial(self._step, done)) is not ToolAction.NOTHING:
            pass

    def _step(self, done: set[ToolAction]) -> ToolAction:
        """One step from what there is now, which no accepted one of those that are `done` may be again."""
        plan = self._plan()
        if plan.action in done:
            # Never twice: a second "add" would stack another credential.
            raise DifyError(self.title, f"Dify accepted it, but {plan.reason}")
        if plan.action is not ToolAction.NOTHING:
            self._save(*self.dify.generation.tools.write(plan, self._wanted))
            done.add(plan.action)
        return plan.action

    def _save(self, last: str, body: Mapping[str, Any]) -> None:
        path = self._path(last)
        try:
            self.dify.console.send(self.title, "POST", path, body=body, read_timeout=_SAVE_TIMEOUT)
        except DifyError as error:
            raise error.advised(error.advice or _ADVICE) from None

    def _plan(self) -> ToolPlan:
        reply = self.dify.console.send(self.title, "GET", self._path("credentials"), repeatable=True)
        return plan_tool(self._wanted, self.dify.generation.tools.stored(reply))

    def _path(self, last: str) -> str:
        return f"workspaces/current/tool-provider/builtin/{self.provider}/{last}"
