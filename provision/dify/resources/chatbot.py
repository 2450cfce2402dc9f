"""The chatbot: an app of the mode "chat" and its published configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.dify.apps import App
from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.resources.base import PROVIDER
from provision.dify.runtimes import when_accepted, when_listed
from provision.domain.wiring.chatbot import (
    BotConfiguration,
    configuration_differences,
    merged_configuration,
)
from provision.domain.wiring.retrieval import MARK, Attachment, Retrieval, attached_datasets

_CONFIGURATION_ADVICE = "the model must be connected before a chatbot can use it"


@dataclass
class Chatbot:
    """A chatbot of this exact name, created once; what is given here is managed, the rest is kept.

    Args:
        description: shown in the console. Where our mark is in it, an app of this name without the mark is
            somebody's own, and refused.
        icon: one emoji.
        icon_background: a colour such as ``#FFEAD5``.
        model: the name in Dify of an llm that is connected.
        prompt: the system prompt.
        completion_params: sampling parameters such as ``{"temperature": 0.6, "max_tokens": 512}``.
        provider: of the model, in three parts.
        knowledge: names of datasets that it searches; one that is missing is left out. Those that were
            attached by hand stay, those of ours that are not named go.
        retrieval: how it searches.
    """

    dify: Dify = field(repr=False)
    name: str
    description: str
    icon: str
    icon_background: str
    model: str
    prompt: str = field(repr=False)
    completion_params: Mapping[str, Any] = field(default_factory=dict)
    opening_statement: str = ""
    suggested_questions: Sequence[str] = ()
    provider: str = PROVIDER
    knowledge: Sequence[str] = ()
    retrieval: Retrieval | None = None

    def _wanted(self, app: App) -> BotConfiguration:
        return BotConfiguration(
            provider=self.provider,
            model=self.model,
            prompt=self.prompt,
            completion_params=self.completion_params,
            opening_statement=self.opening_statement,
            suggested_questions=self.suggested_questions,
            knowledge=self._attachment(app),
        )

    def _attachment(self, app: App) -> Attachment | None:
        attached = attached_datasets((app.configuration or {}).get("dataset_configs") or {})
        found = (self.dify.datasets.find(name) for name in self.knowledge)
        # Somebody's own of the same name is refused where it would be filled, and not searched either.
        wanted = [dataset.id for dataset in found if dataset and MARK in dataset.description]
        by_hand = [each for each in attached if each not in wanted and self._is_by_hand(each)]
        if not wanted and by_hand == attached:
            return None
        return Attachment((*wanted, *by_hand), self.retrieval if wanted else None)

    def _is_by_hand(self, dataset_id: str) -> bool:
        description = self.dify.datasets.description(dataset_id)
        return description is not None and MARK not in description

    @property
    def title(self) -> str:
        return f"Publish the chatbot {self.name}"

    def difference(self) -> str | None:
        app = self._found()
        if app is None:
            return f"there is no chat app {self.name}"
        differing = self._profile_differences(app)
        differing += configuration_differences(self._wanted(app), app.configuration)
        return f"these differ: {', '.join(differing)}" if differing else None

    def apply(self) -> None:
        app = when_accepted(self.dify.transport, lambda: self._found() or self._create())
        if self._profile_differences(app):
            self._rewrite_profile(app)
        wanted = self._wanted(app)
        if configuration_differences(wanted, app.configuration):
            self._publish(app, wanted)
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")

    def _found(self) -> App | None:
        """The app to manage.

        Raises:
            DifyError: it is somebody's own.
        """
        app = self.dify.apps.find(self.name)
        if app is not None and MARK in self.description and MARK not in app.description:
            raise DifyError(
                self.title,
                f"the chat app {app.id} has this name and was not made by this tool",
                f"rename it in Dify's console, or have it managed: add {MARK!r} to its description",
            )
        return app

    def _profile(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "icon_type": "emoji",
            "icon": self.icon,
            "icon_background": self.icon_background,
        }

    def _profile_differences(self, app: App) -> list[str]:
        return [key for key, value in self._profile().items() if getattr(app, key) != value]

    def _create(self) -> App:
        self.dify.console.send(self.title, "POST", "apps", body={**self._profile(), "mode": "chat"})
        return self.dify.apps.require(self.name)

    def _rewrite_profile(self, app: App) -> None:
        # This call resets what is left out, so what we do not manage is sent back as it is.
        # Without use_icon_as_answer_icon Dify up to 1.10.1 answers 500.
        kept: dict[str, Any] = {"use_icon_as_answer_icon": app.use_icon_as_answer_icon}
        if app.max_active_requests is not None:
            kept["max_active_requests"] = app.max_active_requests
        self.dify.console.send(self.title, "PUT", f"apps/{app.id}", body={**self._profile(), **kept})

    def _publish(self, app: App, wanted: BotConfiguration) -> None:
        path, body = f"apps/{app.id}/model-config", merged_configuration(wanted, app.configuration)
        try:
            when_listed(
                self.dify,
                self.title,
                self.provider,
                [("llm", self.model)],
                lambda: self.dify.console.send(self.title, "POST", path, body=body),
            )
        except DifyError as error:
            raise error.advised(error.advice or _CONFIGURATION_ADVICE) from None
