"""The stand-in's chat page in a browser: by the same requests as Dify's own, on both ends of its versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from test_client_standin import BOT, INIT_PASSWORD, Door, Installation, apply, model_endpoint, serving

from lab.dify.standin import api, assembly, web
from lab.dify.standin.settings import Settings
from lab.visitor import visit
from provision.dify import wait_until_ready

APIS = ("/api/", "/console/api/", "/v1/")


def nginx(api_server: ASGIApp, pages: ASGIApp) -> ASGIApp:
    """What Dify's nginx does: the APIs are one container's, everything else the other's."""

    async def forward(scope: Scope, receive: Receive, send: Send) -> None:
        await (api_server if str(scope.get("path")).startswith(APIS) else pages)(scope, receive, send)

    return forward


@pytest.mark.parametrize("version", ["1.3.1", "1.16.1"])
def test_a_visitor_is_greeted_and_answered(version: str, tmp_path: Path) -> None:
    settings = Settings(
        version=version, init_password=INIT_PASSWORD, storage=str(tmp_path), install_seconds=0.2
    )
    models = Starlette(routes=[Route("/v1/{task:path}", model_endpoint, methods=["POST"])])
    door = Door(nginx(api.app(assembly.site(settings)), web.app()))
    with serving(models) as model_url, serving(door) as url:
        there = Installation(url, model_url, door)
        dify = there.dify()
        wait_until_ready(dify, 10)
        apply(there.resources(dify))
        seen = visit(f"{url}/chat/{dify.apps.require(BOT).link_code}", "Are you there?")
    assert seen.errors == []
    assert seen.title == BOT
    assert "你好！" in seen.greeting
    assert "Are you there?" not in seen.greeting
    assert seen.answer == "I am here."
    assert "Are you there?\nI am here." in seen.shown
    paths = [request for request in seen.requests if "/api/" in request]
    assert paths == [
        f"GET {url}/api/passport",
        f"GET {url}/api/site",
        f"GET {url}/api/parameters",
        f"POST {url}/api/chat-messages",
    ]
