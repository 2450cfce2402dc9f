"""The workspace's default models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.resources.base import PROVIDER
from provision.dify.runtimes import when_listed
from provision.domain.providers import ModelType

_DEFAULT_MODEL = "workspaces/current/default-model"


@dataclass
class DefaultModels:
    """The model that Dify takes for each type when nobody chose one.

    Args:
        models: type to model name; types that are not named keep what they have.
        provider: of all of them, in three parts.
    """

    dify: Dify = field(repr=False)
    models: Mapping[ModelType, str]
    provider: str = PROVIDER

    @property
    def title(self) -> str:
        return "Set the default models"

    def difference(self) -> str | None:
        return (
            "; ".join(
                f"{model_type} is {actual or 'not set'}, wanted is {self.models[model_type]}"
                for model_type, actual in self._differing().items()
            )
            or None
        )

    def apply(self) -> None:
        differing = self._differing()
        if not differing:
            return
        settings = [
            {"model_type": model_type, "provider": self.provider, "model": self.models[model_type]}
            for model_type in differing
        ]
        when_listed(
            self.dify,
            self.title,
            self.provider,
            [(model_type, self.models[model_type]) for model_type in differing],
            lambda: self.dify.console.send(
                self.title, "POST", _DEFAULT_MODEL, body={"model_settings": settings}
            ),
        )
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")

    def _differing(self) -> dict[ModelType, str | None]:
        """What Dify has for each type where that is not what is wanted."""
        differing: dict[ModelType, str | None] = {}
        for model_type, model in self.models.items():
            provider, actual = self._stored(model_type)
            if actual != model:
                differing[model_type] = actual
            elif provider != self.provider:
                differing[model_type] = f"{actual} of {provider}"
        if None in differing.values():
            self._demand_plugin_daemon()
        return differing

    def _stored(self, model_type: ModelType) -> tuple[str | None, str | None]:
        reply = self.dify.console.send(
            self.title, "GET", _DEFAULT_MODEL, query={"model_type": model_type}, repeatable=True
        )
        data = reply.optional("data", dict)
        if data is None:
            return None, None
        return (data.get("provider") or {}).get("provider"), data.get("model")

    def _demand_plugin_daemon(self) -> None:
        """With its plugin daemon down Dify says "none" for any default; reading the plugins then fails."""
        self.dify.console.send(
            self.title,
            "GET",
            "workspaces/current/plugin/list",
            query={"page": "1", "page_size": "1"},
            repeatable=True,
        )
