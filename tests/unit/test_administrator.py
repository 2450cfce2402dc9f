"""The owner's own password: from the environment or a prompt, checked before it is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from provision import administrator
from provision.dify import DifyError

OWN = "Own-Passw0rd"


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(administrator, "secret", lambda name: f"kept {name}")
    monkeypatch.delenv(administrator.VARIABLE, raising=False)
    administrator._answered.cache_clear()
    yield
    administrator._answered.cache_clear()


def test_without_one_it_is_what_the_host_keeps() -> None:
    assert administrator.given_password() is None
    assert administrator.password() == "kept admin-password"


def test_one_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(administrator.VARIABLE, OWN)
    assert administrator.password() == administrator.given_password() == OWN


def test_it_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setenv(administrator.VARIABLE, "ask")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(administrator, "getpass", lambda prompt: asked.append(prompt) or OWN)
    assert [administrator.password(), administrator.password()] == [OWN, OWN]
    assert asked == ["Password of Dify's administrator: "]


def test_nobody_there_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(administrator.VARIABLE, "ask")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(DifyError, match="nobody can be asked here"):
        administrator.password()


@pytest.mark.parametrize("bad", ["short1", "no-digits-here", "1234567890", f" {OWN}"])
def test_what_dify_would_refuse_is_not_sent(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv(administrator.VARIABLE, bad)
    with pytest.raises(DifyError, match="nothing was sent") as refused:
        administrator.password()
    assert bad not in str(refused.value)
