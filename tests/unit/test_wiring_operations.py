"""Operations at Dify, run by pyinfra on this machine: what goes on when something failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, OperationValueError, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.context import ctx_state

from provision import progress
from provision.dify import DifyError
from provision.dify.apps import AppKey
from provision.dify.service import Answer
from provision.domain.deployment import Deployment
from provision.domain.settings import BotSettings, DifySettings
from provision.operations import app_keys, asking, dify

SETTINGS = DifySettings()


@pytest.fixture
def not_done(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(progress, "not_done", {})
    monkeypatch.setattr(progress, "answer", "")
    return progress.not_done


def run(operation: Callable[..., Any], **arguments: Any) -> None:
    """Run an operation as a deploy does.

    Raises:
        PyinfraError: it failed.
    """
    state = State(Inventory((["@local"], {})), Config())
    with ctx_state.use(state):
        connect_all(state)
        try:
            add_op(state, operation, name="It", **arguments)
            state.is_executing = True
            run_ops(state)
        finally:
            disconnect_all(state)


@dataclass
class Switched:
    """A resource that cannot be had."""

    when: str
    title: str = "Connect Stable Diffusion"

    def difference(self) -> str | None:
        self._fail("difference")
        return "it is missing"

    def apply(self) -> None:
        self._fail("apply")

    def _fail(self, now: str) -> None:
        if now == self.when:
            raise DifyError(self.title, "its service is switched off")


@pytest.mark.parametrize("when", ["difference", "apply"])
def test_an_extra_that_fails_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch, not_done: dict[str, str], when: str
) -> None:
    there = SimpleNamespace(console=SimpleNamespace(), trouble=lambda: None)
    monkeypatch.setitem(dify._clients, "@local", there)
    run(dify.resource, settings=SETTINGS, make=lambda _: Switched(when), extra="pictures")
    assert not_done == {"pictures": "pictures: Connect Stable Diffusion: its service is switched off"}
    # What builds on it is not tried, and what the bot needs ends the run.
    run(dify.resource, settings=SETTINGS, make=None, extra="pictures")
    with pytest.raises(PyinfraError):
        run(dify.resource, settings=SETTINGS, make=lambda _: Switched(when))


@dataclass
class Service:
    """A bot that answers when its plugin runs."""

    starting: list[DifyError] = field(default_factory=list)
    second: DifyError | None = None
    log: list[tuple[str, str]] = field(default_factory=list)

    def link_works(self, code: str) -> bool:
        return bool(code)

    def ask(self, _key: str, _question: str, _user: str, conversation_id: str = "") -> Answer:
        self.log.append(("ask", conversation_id))
        if self.starting:
            raise self.starting.pop(0)
        return Answer("yes", "c-1", 1, 1)

    def ask_streaming(self, _key: str, _question: str, _user: str, conversation_id: str = "") -> Answer:
        self.log.append(("stream", conversation_id))
        if self.second:
            raise self.second
        return Answer("again", conversation_id, 1, 1)

    def delete_conversation(self, _key: str, conversation_id: str, _user: str) -> None:
        self.log.append(("delete", conversation_id))


@dataclass
class Bot:
    """A Dify with one bot."""

    service: Service = field(default_factory=Service)
    keys: list[AppKey] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.apps = SimpleNamespace(
            require=lambda _: SimpleNamespace(link_code="code"),
            api_key=lambda _: "app-canary",
            api_keys=lambda _: self.keys,
        )
        self.transport = SimpleNamespace(clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.usefixtures("not_done")
def test_the_bot_is_asked_twice_in_one_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = Bot()
    monkeypatch.setattr(asking, "client", lambda _: bot)
    asking.ask(SETTINGS)
    assert bot.service.log == [("ask", ""), ("stream", "c-1"), ("delete", "c-1")]
    assert progress.answer == "yes"


@pytest.mark.usefixtures("not_done")
def test_a_second_turn_that_fails_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = DifyError("Ask the chatbot", "maximum context length is 1024 tokens", status=400)
    bot = Bot(Service(second=refused))
    monkeypatch.setattr(asking, "client", lambda _: bot)
    with pytest.raises(DifyError, match="maximum context length"):
        asking.ask(SETTINGS)
    assert bot.service.log[-1] == ("delete", "c-1")


@pytest.mark.usefixtures("not_done")
@pytest.mark.parametrize(
    "starting",
    [
        DifyError("Ask the chatbot", "no available node, plugin runtime not found", status=400),
        DifyError("Ask the chatbot", "Internal server error.", status=500),
    ],
)
def test_a_plugin_that_is_being_started_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, starting: DifyError
) -> None:
    bot = Bot(Service(starting=[starting] * 3))
    monkeypatch.setattr(asking, "client", lambda _: bot)
    asking.ask(SETTINGS)
    assert bot.now == 15
    never = Bot(Service(starting=[starting] * 99))
    monkeypatch.setattr(asking, "client", lambda _: never)
    with pytest.raises(DifyError):
        asking.ask(SETTINGS)
    assert never.now == 60


def test_when_the_last_key_is_revoked_no_file_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app_keys, "client", lambda _: Bot())
    kept = [tmp_path / name for name in ("api-key", "handover.md")]
    monkeypatch.setattr(app_keys, "API_KEY_FILE", str(kept[0]))
    monkeypatch.setattr(app_keys, "HANDOVER_FILE", str(kept[1]))
    for file in kept:
        file.write_text("app-canary\n")
    deployment = Deployment({}, "@local", DifySettings(bot=BotSettings(name="mofei")), "http://bot.lan:81")
    run(app_keys.handed_over, deployment=deployment)
    assert not any(file.exists() for file in kept)
    assert "mofei has no API key left" in said.text
    run(app_keys.handed_over, deployment=deployment)


def test_a_dry_run_with_a_password_that_cannot_be_one_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: DifySettings) -> None:
        raise DifyError("Sign in", "DIFY_ADMIN_PASSWORD has fewer than 8 characters")

    monkeypatch.setattr(dify, "client", refused)
    with pytest.raises(OperationValueError, match="fewer than 8 characters"):
        run(dify.resource, settings=SETTINGS, make=lambda _: Switched("never"))
