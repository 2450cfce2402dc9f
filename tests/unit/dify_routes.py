"""A Dify with scripted answers by route."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import httpx

from provision.dify import Dify
from provision.dify.resources import Chatbot, ModelCredential

OLD, NEW = (f"a/b:0.0.{number}@{str(number) * 64}" for number in (1, 2))
W = "workspaces/current"
CREDENTIALS = f"{W}/model-providers/langgenius/openai_api_compatible/openai_api_compatible/models/credentials"
_servers = itertools.count()


class Routes:
    """Answers by method and path below ``console/api``; the last answer of a route stays."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers: dict[str, list[Any]] = {
            "GET setup": [{"step": "finished"}],
            "POST login": [{"result": "success"}],
            f"GET {W}/model-providers": [{"data": []}],
            **(answers or {}),
        }
        self.sent: list[tuple[str, Any]] = []
        self.now = 0.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        route = f"{request.method} {request.url.path.removeprefix('/console/api/')}"
        self.sent.append((route, json.loads(request.content) if request.content else None))
        answers = self.answers[route]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        cookies = [("set-cookie", f"{name}=canary-token; Path=/") for name in ("access_token", "csrf_token")]
        return httpx.Response(status, headers=[("X-Version", "1.16.1"), *cookies], json=body)

    def bodies(self, route: str) -> list[Any]:
        return [body for sent, body in self.sent if sent == route]

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def dify(self) -> Dify:
        http = httpx.Client(base_url="http://dify", transport=httpx.MockTransport(self))
        server = f"routes {next(_servers)}"
        dify = Dify(http, server=server, sleep=self._sleep, clock=lambda: self.now)
        dify.sign_in("admin@example.com", "Passw0rd-1")
        return dify


def installed(*identifiers: str) -> dict[str, Any]:
    return {"plugins": [{"plugin_id": "a/b", "plugin_unique_identifier": item} for item in identifiers]}


def task(status: str, message: str = "") -> dict[str, Any]:
    return {"task": {"status": status, "plugins": [{"message": message}]}}


SUCCESS = {"result": "success"}
STARTED = {"all_installed": False, "task_id": "t1", "task": None}
IDS = f"POST {W}/plugin/list/installations/ids"
INSTALL = f"POST {W}/plugin/install/marketplace"
TASK = f"GET {W}/plugin/tasks/t1"


def credential(routes: Routes) -> ModelCredential:
    return ModelCredential(routes.dify(), "m", "llm", {"context_size": "1024"}, "canary-key-123", b"salt")


NOTHING_STORED: dict[str, Any] = {
    "credentials": {},
    "current_credential_id": None,
    "available_credentials": [],
}


# What Dify says of a failure that nobody has caught (``libs/external_api.py``).
UNEXPLAINED = (500, {"code": "unknown", "message": "Internal Server Error", "status": 500})


def app(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "name": "Bot",
        "description": "d",
        "icon_type": "emoji",
        "icon": "🤖",
        "icon_background": "#FFEAD5",
        "enable_site": True,
        "enable_api": True,
        "max_active_requests": 5,
        "site": {"access_token": "code"},
        "model_config": None,
        **changes,
    }


def listed(*apps: dict[str, Any]) -> dict[str, Any]:
    return {"data": list(apps), "has_more": False}


def bot(routes: Routes) -> Chatbot:
    return Chatbot(routes.dify(), "Bot", "d", "🤖", "#FFEAD5", "m", "p")
