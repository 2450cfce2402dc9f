"""Resources against a server that refuses, lies or is half-way: with scripted answers by route."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from provision.dify import Dify, DifyError
from provision.dify.resources import (
    AdminAccount,
    ApiKey,
    Chatbot,
    DefaultModels,
    ModelCredential,
    Plugin,
    SiteAndApi,
)

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
        cookies = [("set-cookie", f"{name}=t; Path=/") for name in ("access_token", "csrf_token")]
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


def test_setup_under_init_password() -> None:
    routes = Routes(
        {
            "GET setup": [{"step": "not_started"}, {"step": "not_started"}, {"step": "finished"}],
            "GET init": [{"status": "not_started"}],
            "POST init": [(201, SUCCESS)],
            "POST setup": [(201, SUCCESS)],
        }
    )
    admin = AdminAccount(
        routes.dify(), "Admin@Example.com", "Admin", "Canary-Passw0rd", "canary-init", "zh-Hans"
    )
    assert admin.difference() == "Dify has no administrator yet"
    admin.apply()
    assert routes.bodies("POST init") == [{"password": "canary-init"}]
    [sent] = routes.bodies("POST setup")
    assert (sent["email"], sent["language"]) == ("admin@example.com", "zh-Hans")
    assert "canary" not in repr(admin).lower()


def test_setup_refusals() -> None:
    unset = {"GET setup": [{"step": "not_started"}], "GET init": [{"status": "not_started"}]}
    with pytest.raises(DifyError, match="no letter"):
        AdminAccount(Routes(unset).dify(), "a@b.cd", "A", "12345678").apply()
    with pytest.raises(DifyError, match="wants it before the setup"):
        AdminAccount(Routes(unset).dify(), "a@b.cd", "A", "Passw0rd").apply()
    wrong = {"POST init": [(401, {"error": {"type": "authentication_error", "message": "Unauthorized"}})]}
    with pytest.raises(DifyError, match="not the INIT_PASSWORD"):
        AdminAccount(Routes({**unset, **wrong}).dify(), "a@b.cd", "A", "Passw0rd", "x").apply()


def test_upgrade_is_followed_to_its_end() -> None:
    progress: list[str] = []
    routes = Routes(
        {
            IDS: [installed(OLD), installed(NEW)],
            f"POST {W}/plugin/upgrade/marketplace": [STARTED],
            TASK: [task("running", "starting"), task("running", "starting"), task("success")],
        }
    )
    Plugin(routes.dify(), NEW, progress=progress.append).apply()
    assert routes.bodies(f"POST {W}/plugin/upgrade/marketplace") == [
        {"original_plugin_unique_identifier": OLD, "new_plugin_unique_identifier": NEW}
    ]
    assert progress == ["running: starting"]


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([task("failed", "failed to install dependencies")], "failed to install dependencies"),
        ([task("running", "starting")], "still running: starting after 900 s"),
        ([task("success")], "the installation ended, but the plugin a/b is not installed"),
        ([(500, {"code": "unknown", "message": "Internal Server Error"})], "the installation ended, but"),
    ],
)
def test_installations_that_fail(states: list[Any], told: str) -> None:
    routes = Routes({IDS: [installed()], INSTALL: [STARTED], TASK: states})
    with pytest.raises(DifyError, match=told):
        Plugin(routes.dify(), NEW).apply()


def test_expired_task_is_looked_up_in_the_list() -> None:
    gone = (500, {"code": "unknown", "message": "Internal Server Error"})
    routes = Routes({IDS: [installed(), installed(NEW)], INSTALL: [STARTED], TASK: [gone]})
    Plugin(routes.dify(), "a/b:0.0.2@" + "2" * 64).apply()


def test_unreachable_marketplace() -> None:
    routes = Routes({IDS: [installed()], f"POST {W}/plugin/list/latest-versions": [{"versions": {}}]})
    with pytest.raises(DifyError, match="cannot be reached"):
        Plugin(routes.dify(), "a/b").apply()


def credential(routes: Routes) -> ModelCredential:
    return ModelCredential(routes.dify(), "m", "llm", {"context_size": "1024"}, "canary-key-123", b"salt")


NOTHING_STORED: dict[str, Any] = {
    "credentials": {},
    "current_credential_id": None,
    "available_credentials": [],
}


def test_credential_is_not_stacked_when_the_write_is_lost() -> None:
    routes = Routes({f"GET {CREDENTIALS}": [NOTHING_STORED], f"POST {CREDENTIALS}": [(201, SUCCESS)]})
    with pytest.raises(DifyError, match="accepted it, but the model has no credential"):
        credential(routes).apply()
    assert len(routes.bodies(f"POST {CREDENTIALS}")) == 1


def test_orphan_of_ours_is_switched_to_and_updated() -> None:
    orphan = {
        **NOTHING_STORED,
        "available_credentials": [{"credential_id": "1", "credential_name": "vllm-00"}],
    }
    active = {**orphan, "current_credential_id": "1", "current_credential_name": "vllm-00"}
    routes = Routes({f"GET {CREDENTIALS}": [orphan, active], f"POST {CREDENTIALS}/switch": [SUCCESS]})
    wanted = credential(routes)
    sent = {"context_size": "1024", "api_key": "canary-key-123"}
    routes.answers[f"PUT {CREDENTIALS}"] = [SUCCESS]
    with pytest.raises(DifyError, match="context_size is ''"):
        wanted.apply()
    assert routes.bodies(f"PUT {CREDENTIALS}")[0]["credentials"] == sent
    assert "canary" not in repr(wanted)


def test_save_waits_for_a_plugin_that_is_starting() -> None:
    starting = (400, {"code": "invalid_param", "message": "no available node, plugin runtime not found"})
    routes = Routes({f"GET {CREDENTIALS}": [NOTHING_STORED], f"POST {CREDENTIALS}": [starting]})
    with pytest.raises(DifyError, match="no available node"):
        credential(routes).apply()
    assert 180 <= routes.now < 200


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


def test_two_apps_of_one_name() -> None:
    routes = Routes({"GET apps": [listed(app(1), app(2), {**app(3), "name": "bot 2"})]})
    with pytest.raises(DifyError, match="2 chat apps have this name: 1, 2"):
        bot(routes).difference()


def test_changed_profile_keeps_what_is_not_managed() -> None:
    routes = Routes({"GET apps": [listed(app(1))], "GET apps/1": [app(1, icon="🐟")], "PUT apps/1": [{}]})
    routes.answers["POST apps/1/model-config"] = [SUCCESS]
    with pytest.raises(DifyError, match="these differ: icon"):
        bot(routes).apply()
    [sent] = routes.bodies("PUT apps/1")
    assert (sent["icon"], sent["max_active_requests"]) == ("🤖", 5)


def test_only_what_is_off_is_switched_on() -> None:
    routes = Routes(
        {
            "GET apps": [listed(app(1))],
            "GET apps/1": [app(1, enable_api=False), app(1)],
            "POST apps/1/api-enable": [app(1)],
        }
    )
    SiteAndApi(routes.dify(), "Bot").apply()
    assert routes.bodies("POST apps/1/api-enable") == [{"enable_api": True}]


def test_oldest_key_is_the_one() -> None:
    keys = [
        {"id": "b", "token": "app-new", "created_at": 9},
        {"id": "a", "token": "app-old", "created_at": 1},
    ]
    routes = Routes(
        {"GET apps": [listed(app(1))], "GET apps/1": [app(1)], "GET apps/1/api-keys": [{"data": keys}]}
    )
    dify = routes.dify()
    assert ApiKey(dify, "Bot").difference() is None
    assert dify.apps.api_key("Bot") == "app-old"


def test_only_differing_defaults_are_set() -> None:
    provider = {"provider": "langgenius/openai_api_compatible/openai_api_compatible"}
    route = f"{W}/default-model"
    stored = [
        {"data": {"model": "m", "provider": provider}},
        {"data": {"model": "old", "provider": provider}},
    ]
    routes = Routes({f"GET {route}": stored, f"POST {route}": [SUCCESS]})
    with pytest.raises(DifyError, match="accepted it, but llm is old, wanted is m"):
        DefaultModels(routes.dify(), {"llm": "m", "rerank": "r"}).apply()
    [sent] = routes.bodies(f"POST {route}")
    assert [setting["model_type"] for setting in sent["model_settings"]] == ["rerank"]
