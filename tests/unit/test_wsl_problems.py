"""What is refused of the Windows around a distribution, before anything is touched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.domain.bootstrap import bootstrap_line, script_digest
from provision.domain.settings import DifySettings
from provision.domain.windows_door import TASK_NAME
from provision.domain.wsl_settings import HOLD_TASK
from provision.facts.docker import NginxVariables
from provision.facts.windows import DoorDigest, IsWsl, IsWsl1, TaskRegistered
from tasks import ports, wsl

OURS = script_digest((Path(__file__).parents[2] / "bootstrap/door.ps1").read_bytes())


def problems(
    monkeypatch: pytest.MonkeyPatch,
    *,
    tasks: tuple[str, ...] = (TASK_NAME, HOLD_TASK),
    digest: str | None = OURS,
    wsl1: bool = False,
    **dify: Any,
) -> list[str]:
    def get_fact(fact: type, **arguments: str) -> object:
        found = {IsWsl: True, IsWsl1: wsl1, DoorDigest: digest, NginxVariables: {}}
        return arguments["task"] in tasks if fact is TaskRegistered else found[fact]

    for module in (ports, wsl):
        monkeypatch.setattr(module, "host", SimpleNamespace(name="dify", get_fact=get_fact))
    settings = DifySettings(**{"port": 81, "public_url": "http://192.168.1.117:81"} | dify)
    deployment: Any = SimpleNamespace(dify_host="dify", dify=settings)
    return list(wsl.wsl_problems(deployment))


def test_a_windows_that_was_prepared_by_this_release_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(monkeypatch) == []


def test_a_missing_task_is_named_with_the_line_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = problems(monkeypatch, tasks=(TASK_NAME,))
    assert f"no task '{HOLD_TASK}'" in found
    assert bootstrap_line([81]) in found


def test_nobody_on_the_lan_needs_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = problems(monkeypatch, tasks=(), lan_access=None)
    assert found.endswith(bootstrap_line())
    assert "-AllowedPorts" not in found


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_the_door_of_another_release_is_refused(monkeypatch: pytest.MonkeyPatch, digest: str | None) -> None:
    (found,) = problems(monkeypatch, digest=digest)
    assert "is not the bootstrap/door.ps1 of this checkout" in found
    assert found.endswith(bootstrap_line())
    # Without a door there is none that could be old.
    assert problems(monkeypatch, digest=digest, tasks=(HOLD_TASK,)) == []


def test_wsl_1_is_refused_and_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = problems(monkeypatch, wsl1=True, tasks=())
    assert "wsl --set-version NAME 2" in found
