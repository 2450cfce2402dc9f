"""Models that this tool once connected and that nobody serves any more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from provision.dify.client import Dify
from provision.dify.dialects.credentials import Write, stored_credential
from provision.dify.errors import DifyError
from provision.dify.resources.base import PROVIDER
from provision.dify.runtimes import PATIENCE, PluginStoppedError, wait_until_listed


@dataclass
class StrayModels:
    """Models of ours that are not wanted: told, and removed only on request.

    An app or a dataset may still use one. Models that were connected by hand are nobody's business.

    Args:
        wanted: type and name of each model that stays.
        prune: remove the others.
        report: receives a line about each that stays although it is not wanted.
        provider: of all of them, in three parts.
    """

    dify: Dify = field(repr=False)
    wanted: Collection[tuple[str, str]]
    prune: bool = False
    report: Callable[[str], None] | None = field(default=None, repr=False)
    provider: str = PROVIDER

    @property
    def title(self) -> str:
        return "Remove the models that left"

    def difference(self) -> str | None:
        try:
            strays = self._strays()
        except PluginStoppedError as error:
            # Nothing would be removed now, in a dry run or without prune: no reason to fail.
            if self.prune and self.dify.console.patience:
                raise
            self._tell(str(error))
            return None
        if strays and self.prune:
            return f"to remove: {', '.join(strays)}"
        for stray in strays:
            self._tell(f"{stray} is connected but not in the inventory; dify.prune removes it")
        return None

    def _tell(self, line: str) -> None:
        if self.report:
            self.report(line)

    def apply(self) -> None:
        if not self.prune:
            return
        for removals in self._strays().values():
            for write in removals:
                self.dify.console.send(self.title, write.method, self._path(write.path), body=write.body)
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")

    def _strays(self) -> dict[str, list[Write]]:
        """What takes out each model of ours that is not wanted."""
        # A list without a wanted one that is there lacks the others, too.
        patience = min(PATIENCE, self.dify.console.patience)
        wait_until_listed(self.dify, self.title, self.provider, self.wanted, patience)
        reply = self.dify.console.send(self.title, "GET", self._path(""), repeatable=True)
        strays = {}
        for item in reply.objects("data"):
            model = {"model": str(item["model"]), "model_type": str(item["model_type"])}
            if (model["model_type"], model["model"]) in self.wanted:
                continue
            if removals := self._removals(model):
                strays[f"{model['model']} ({model['model_type']})"] = removals
        return strays

    def _removals(self, model: dict[str, str]) -> list[Write]:
        reply = self.dify.console.send(
            self.title, "GET", self._path("credentials"), query=model, repeatable=True
        )
        return self.dify.generation.credentials.removals(model, stored_credential(reply))

    def _path(self, last: str) -> str:
        path = f"workspaces/current/model-providers/{self.provider}/models"
        return f"{path}/{last}" if last else path
