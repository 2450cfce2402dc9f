"""Coming back to a distribution that is restarted, over a connection that breaks in every way it can."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import SSHException
from pyinfra.connectors.util import CommandOutput, OutputLine

from provision.connectors.wsl import WslConnector
from provision.domain.wsl_restart import Noted
from provision.facts.init import Systemd
from provision.facts.wsl import BootId, NotedRestart
from provision.operations import wsl

Answer = Exception | str | None


class Host:
    """A host whose answers are listed: to connecting (``None`` if it does not), then to each command."""

    name, print_prefix = "dify", ""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.connected = True
        self.connector = SimpleNamespace(client=None)
        self.said: list[str] = []

    def _answer(self) -> str | None:
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def connect(self, *, show_errors: bool) -> None:
        assert not show_errors
        self.connected = self._answer() is not None

    def disconnect(self) -> None:
        self.connected = False

    def run_shell_command(self, _: object, *, _timeout: float) -> tuple[bool, CommandOutput]:
        assert 0 < _timeout <= 300
        answer = self._answer()
        return answer is not None, CommandOutput([OutputLine("stdout", answer or "")])

    def log_styled(self, text: str, **_: object) -> None:
        self.said.append(text)

    def get_fact(self, *_: object, **__: object) -> None:
        raise AssertionError("a fact that fails takes the host out of the run")


ComeBack = Callable[..., bool]


@pytest.fixture
def come_back(monkeypatch: pytest.MonkeyPatch) -> ComeBack:
    """Run the function; time passes by itself."""
    clock = [0.0]
    monkeypatch.setattr(wsl.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(wsl.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    def run(host: Any, timeout: int = 300) -> bool:
        return wsl._come_back(SimpleNamespace(), host, "old", timeout)  # type: ignore[arg-type]

    return run


BACK = ("connected", "new", "running", "systemd")


@pytest.mark.parametrize(
    "before",
    [
        (),
        (None, None),
        ("connected", "old"),
        ("connected", SSHException("channel closed")),
        ("connected", EOFError()),
        ("connected", ConnectionResetError()),
        ("connected", TimeoutError()),
        (OSError(), SSHException()),
        ("connected", "new", ConnectionResetError()),
        ("connected", "new", "running", EOFError()),
    ],
    ids=repr,
)
def test_a_connection_may_break_at_any_time(come_back: ComeBack, before: tuple[Answer, ...]) -> None:
    host = Host(*before, *BACK)
    assert come_back(host)
    assert host.connected
    assert host.said == []


def test_a_unit_that_failed_does_not_keep_it_from_going_on(come_back: ComeBack) -> None:
    assert come_back(Host("connected", "new", None, "systemd"))


def test_who_does_not_come_back_is_given_up_in_time(come_back: ComeBack) -> None:
    host = Host()
    assert not come_back(host, 20)
    assert "is not reachable again after 20 s" in host.said[0]
    host = Host(*["connected", "old"] * 100)
    assert not come_back(host, 20)


def test_a_restart_that_brought_no_systemd_is_a_failure(come_back: ComeBack) -> None:
    host = Host("connected", "new", "offline", "init")
    assert not come_back(host)
    assert "runs no systemd after the restart" in host.said[0]
    assert "0.67.6" in host.said[0]


@pytest.mark.parametrize("connector", [object(), WslConnector.__new__(WslConnector)], ids=["ssh", "wsl"])
def test_nothing_is_asked_of_a_distribution_once_it_is_being_stopped(
    monkeypatch: pytest.MonkeyPatch, connector: object
) -> None:
    asked: list[type] = []

    def get_fact(fact: type) -> object:
        asked.append(fact)
        return {Systemd: True, NotedRestart: Noted.DUE, BootId: "old"}[fact]

    host = SimpleNamespace(connector=connector, get_fact=get_fact, print_prefix="", name="dify")
    monkeypatch.setattr(wsl, "host", host)
    commands = wsl.restart._inner(allowed=True)
    next(commands)
    before = list(asked)
    _, come_back = commands
    assert asked == before
    assert come_back.args[0] == "old"
