"""From which container an endpoint is asked."""

from __future__ import annotations

from typing import Any

import pytest

from provision.domain.settings import DifySettings
from provision.endpoint import EndpointError
from provision.facts.adoption import ComposeProject
from provision.facts.containers import ContainerPython
from provision.operations import endpoint


class Host:
    """A Dify host where compose calls the installation ``bot``, and of which one thing more is known."""

    def __init__(self, found: bool | None) -> None:
        self._found = found

    def get_fact(self, fact: Any, **asked: str) -> bool | str | None:
        if fact is ComposeProject:
            return "bot"
        assert (fact, asked) == (ContainerPython, {"container": "bot-plugin_daemon-1"})
        return self._found


@pytest.mark.parametrize(("python", "container"), [(True, "bot-plugin_daemon-1"), (False, "bot-api-1")])
def test_the_plugin_daemon_asks_or_the_api_beside_it(
    monkeypatch: pytest.MonkeyPatch, python: bool, container: str
) -> None:
    monkeypatch.setattr(endpoint, "host", Host(python))
    assert endpoint.caller_of(DifySettings()) == container


def test_a_plugin_daemon_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "host", Host(None))
    with pytest.raises(EndpointError, match=r"bot-plugin_daemon-1.*does not run; see docker compose logs"):
        endpoint.caller_of(DifySettings())
