"""A service that is to draw pictures, asked as Dify's plugin would ask it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from provision import progress
from provision.domain.settings import DifySettings, StableDiffusionSettings
from provision.endpoint import EndpointError
from provision.operations import painter

URL = "http://192.168.1.20:7860"


class Host:
    name = "dify"

    def __init__(self) -> None:
        self.said: list[str] = []

    def noop(self, line: str) -> None:
        self.said.append(line)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host()
    monkeypatch.setattr(painter, "host", found)
    monkeypatch.setattr(painter, "state", SimpleNamespace(is_executing=True))
    monkeypatch.setattr(progress, "not_done", {})
    monkeypatch.setattr(painter, "caller_of", lambda _: "docker-plugin_daemon-1")
    return found


def asked(monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception) -> str:
    """What is said at the end of the run about a service that answers so."""

    def answering(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == f"{URL}/sdapi/v1/sd-models"
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(_: object, base: str, container: str) -> httpx.Client:
        assert container == "docker-plugin_daemon-1"
        return httpx.Client(base_url=base, transport=httpx.MockTransport(answering))

    monkeypatch.setattr(painter, "http_client", client)
    wanted = StableDiffusionSettings(base_url=f"{URL}/", model="v1-5")
    assert list(painter.draws._inner(painter=wanted, dify=DifySettings())) == []  # type: ignore[attr-defined]
    return progress.not_done.get("pictures", "")


def test_its_model_is_found(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    models = [{"title": "v1-5.ckpt [ab]", "model_name": "v1-5"}]
    assert asked(monkeypatch, httpx.Response(200, json=models)) == ""
    assert host.said == [f"v1-5 at {URL}"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(200, json=[{"model_name": "sdxl"}]), "has no model v1-5, but sdxl"),
        (httpx.Response(200, json=[]), "has no model v1-5, but none"),
        (httpx.Response(404), "does not answer: Client error '404 Not Found'"),
        (httpx.ConnectError("connection refused"), "does not answer: connection refused"),
        (httpx.Response(200, text="<html>"), "is no service with AUTOMATIC1111's API"),
        (httpx.Response(200, json={"detail": "x"}), "is no service with AUTOMATIC1111's API"),
    ],
)
def test_what_is_wrong_with_it_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, host: Host, answer: Any, told: str
) -> None:
    said = asked(monkeypatch, answer)
    assert said.startswith(
        f"no pictures: {URL}/sdapi/v1/sd-models, asked from Dify's plugin_daemon on dify, "
    )
    assert told in said
    assert host.said == ["no pictures, see the end"]


def test_without_a_plugin_daemon_it_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    def down(_: DifySettings) -> str:
        raise EndpointError("the container docker-plugin_daemon-1 does not run")

    monkeypatch.setattr(painter, "caller_of", down)
    assert "cannot be asked: the container docker-plugin_daemon-1" in asked(monkeypatch, httpx.Response(200))
    assert host.said == ["no pictures, see the end"]


def test_a_dry_run_asks_nobody(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    monkeypatch.setattr(painter, "state", SimpleNamespace(is_executing=False))
    assert asked(monkeypatch, AssertionError("nobody is asked")) == ""
    assert host.said == ["asked when the deploy runs"]
