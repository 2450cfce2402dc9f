"""What the operations make of a Dify that refuses, is none, or cannot be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from dify_routes import Routes, W
from pyinfra.api import FunctionCommand, OperationValueError
from test_dify_transport import REFUSED, Answer, Script, ok, refused

from provision.dify import Dify
from provision.dify.resources import ApiKey, PluginAutoUpgrade
from provision.domain.settings import DifySettings
from provision.operations import dify as operations

SETTINGS = DifySettings(start_timeout=60)
PLUGINS, POLICY = f"GET {W}/plugin/list", f"GET {W}/plugin/auto-upgrade/fetch"
DAEMON_DOWN = (400, {"code": "invalid_param", "message": "Failed to request plugin daemon, url: plugin/x"})


@dataclass
class Run:
    """An operation without pyinfra; `said` is what it tells about the host."""

    said: list[str] = field(default_factory=list)

    def does(self, operation: Callable[..., Any], **arguments: Any) -> list[Any]:
        return list(operation._inner(settings=SETTINGS, **arguments))  # type: ignore[attr-defined]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Dify, bool], Run]:
    def of(dify: Dify, executing: bool) -> Run:
        run = Run()
        here = SimpleNamespace(name="here", log=run.said.append, noop=run.said.append)
        monkeypatch.setattr(operations, "host", here)
        monkeypatch.setattr(operations, "state", SimpleNamespace(is_executing=executing))
        monkeypatch.setattr(operations, "_clients", {"here": dify})
        return run

    return of


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ok({"step": "finished"}, version=""), "without a version"),
        (ok({"step": "finished"}, version="1.2.0"), "is Dify 1.2.0"),
    ],
)
def test_a_dify_that_cannot_be_spoken_to_fails_its_host_alone(run: Any, answer: Answer, told: str) -> None:
    *_, last = run(Script(answer).dify(), True).does(operations.ready)
    assert told in str(last)
    assert str(last).endswith("exit 1")


def test_a_dify_that_answers_is_told_with_its_version(run: Any) -> None:
    ready = run(Script(ok({"step": "finished"})).dify(), True)
    assert ready.does(operations.ready) == []
    assert ready.said == ["Dify 1.16.1 answers"]


@pytest.mark.parametrize("executing", [True, False])
def test_only_a_run_waits_for_a_login(run: Any, executing: bool) -> None:
    dify = Routes({POLICY: [{"auto_upgrade": {"strategy_setting": "disabled"}}]}).dify()
    asked = run(dify, executing)
    assert asked.does(operations.resource, make=PluginAutoUpgrade) == []
    assert asked.said == ["as wanted"]
    assert dify.console.patience == (60 if executing else 0)


def test_a_dry_run_plans_what_is_only_not_there_yet(run: Any) -> None:
    missing = Routes({POLICY: [(400, {"code": "x", "message": "no"})], PLUGINS: [{"plugins": []}]})
    [planned] = run(missing.dify(), False).does(operations.resource, make=PluginAutoUpgrade)
    assert isinstance(planned, FunctionCommand)
    nothing = Script(*[REFUSED] * 9)
    [planned] = run(nothing.dify(), False).does(operations.resource, make=PluginAutoUpgrade)
    assert isinstance(planned, FunctionCommand)


@pytest.mark.parametrize(
    ("dify", "told"),
    [
        (lambda: Routes({POLICY: [DAEMON_DOWN], PLUGINS: [DAEMON_DOWN]}).dify(), "plugin_daemon container"),
        (lambda: Script(*[refused(502)] * 9).dify(), "502"),
        (lambda: Script(ok(), refused(401, "authentication_failed")).dify(), "401 authentication_failed"),
    ],
    ids=["daemon", "gateway", "password"],
)
def test_a_dry_run_that_cannot_tell_fails(run: Any, dify: Callable[[], Dify], told: str) -> None:
    with pytest.raises(OperationValueError, match=told):
        run(dify(), False).does(operations.resource, make=PluginAutoUpgrade)


def test_a_run_that_cannot_tell_fails_its_host_alone(run: Any) -> None:
    routes = Routes({POLICY: [DAEMON_DOWN]})
    [failed] = run(routes.dify(), True).does(operations.resource, make=PluginAutoUpgrade)
    assert "Failed to request plugin daemon" in str(failed)
    other_shape = Routes({"GET apps": [{"data": [{"name": "mofei"}]}]})
    [failed] = run(other_shape.dify(), True).does(
        operations.resource, make=lambda dify: ApiKey(dify, "mofei")
    )
    assert "an object in it has no" in str(failed)
