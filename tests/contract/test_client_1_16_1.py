"""The client against what a real Dify 1.16.1 answered: what it sends, and that it sends nothing twice.

The steps ``idem1:`` to ``idem3:`` of the recording are three runs of another reconciling client against one
server: the first wired it, the others found nothing to do.
"""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from client_replay import EMAIL, PASSWORD, Line, Replay, named, recorded, steps

from provision.dify import Dify, DifyError
from provision.dify.resources import (
    AdminAccount,
    ApiKey,
    Chatbot,
    DefaultModels,
    ModelCredential,
    Plugin,
    PluginAutoUpgrade,
    Resource,
    SiteAndApi,
)
from provision.domain.wiring.masking import credential_name

PINNED = (
    "langgenius/openai_api_compatible:0.0.63@9ba6cb0bdd75397529c86a9bae1c572827348848f57432c47f7f1e1f75cd8dec"
)


@pytest.fixture(scope="module")
def recording() -> list[Line]:
    return list(recorded("1.16.1"))


def resources(dify: Dify) -> list[Resource]:
    """What the recorded client had wired, without its knowledge base."""
    endpoint = {"endpoint_url": "http://MODELS/v1"}
    llm = {
        **endpoint,
        "display_name": "Lab LLM",
        "mode": "chat",
        "context_size": "4096",
        "max_tokens_to_sample": "1024",
        "function_calling_type": "no_call",
    }
    embedding = {**endpoint, "display_name": "Lab Embedding", "context_size": "512", "max_chunks": "8"}
    rerank = {**endpoint, "display_name": "Lab Rerank", "context_size": "512"}
    return [
        AdminAccount(dify, EMAIL, "Lab Admin", PASSWORD),
        Plugin(dify, PINNED),
        PluginAutoUpgrade(dify),
        ModelCredential(dify, "qwen-lab", "llm", llm, "lab-key", b"salt"),
        ModelCredential(dify, "bge-lab", "text-embedding", embedding, "lab-key", b"salt"),
        ModelCredential(dify, "reranker-lab", "rerank", rerank, "lab-key", b"salt"),
        DefaultModels(dify, {"llm": "qwen-lab", "text-embedding": "bge-lab", "rerank": "reranker-lab"}),
        Chatbot(
            dify,
            "Idem App",
            "made by the lab",
            "🤖",
            "#FFEAD5",
            "qwen-lab",
            "You are a helpful lab assistant.",
            {"temperature": 0.2, "max_tokens": 128},
            "Hello from the lab.",
            ["What can you do?"],
        ),
        SiteAndApi(dify, "Idem App"),
        ApiKey(dify, "Idem App"),
    ]


# The credential's name is the client's choice; the recorded client called all of them "primary".
RENAMED = {"primary": credential_name("lab-key", b"salt")}


def test_first_run_wires_and_the_next_writes_nothing(recording: list[Line]) -> None:
    lines = steps(
        recording, "before: init status", "idem1:", "idem2:", "idem3:", "marketplace: install 0.0.64 (f"
    )
    lines.append(named(recording, "model-providers"))
    replay = Replay([*lines, *steps(recording, "install 0.0.64 fresh: task poll")], RENAMED)
    first = replay.dify("idem")
    for resource in resources(first):
        resource.difference()
        resource.apply()

    provider = "/console/api/workspaces/current/model-providers/langgenius/openai_api_compatible"
    app = "/console/api/apps/29a5b8d2-f7a5-4b7a-a595-fd5d2f1eacb1"
    assert [(method, path) for method, path, _ in replay.writes] == [
        ("POST", "/console/api/setup"),
        ("POST", "/console/api/workspaces/current/plugin/install/marketplace"),
        ("POST", "/console/api/workspaces/current/plugin/auto-upgrade/change"),
        ("POST", f"{provider}/openai_api_compatible/models/credentials"),
        ("POST", f"{provider}/openai_api_compatible/models/credentials"),
        ("POST", f"{provider}/openai_api_compatible/models/credentials"),
        # Dify had made the models its defaults by itself.
        ("POST", "/console/api/apps"),
        ("POST", f"{app}/model-config"),
        ("POST", f"{app}/api-keys"),
    ]
    assert replay.writes[2][2] == {
        "category": "model",
        "auto_upgrade": {
            "strategy_setting": "disabled",
            "upgrade_time_of_day": 18000,
            "upgrade_mode": "exclude",
            "exclude_plugins": [],
            "include_plugins": [],
        },
    }
    configuration = replay.writes[7][2]
    recorded_body = steps(recording, "idem1: WRITE model-config")[0].sent
    assert configuration["pre_prompt"] == recorded_body["pre_prompt"]
    assert configuration.keys() <= recorded_body.keys()
    assert configuration["dataset_configs"]["retrieval_model"] == "multiple"
    assert None not in configuration.values()

    written = len(replay.writes)
    second = replay.dify("idem")
    assert {resource.title: resource.difference() for resource in resources(second)} == {
        resource.title: None for resource in resources(second)
    }
    for resource in resources(second):
        resource.apply()
    assert len(replay.writes) == written
    assert second.apps.require("Idem App").link_code == "byXgR7CIcfOIlshv"
    assert second.apps.api_key("Idem App") == "app-xqImV6XYBQQuSfEpwGOvDxAM"
    logins = [request for request in replay.requests if request.url.path.endswith("/login")]
    assert len(logins) == 2, "one login a run"
    assert json.loads(logins[0].content)["password"] == "TGFiLVBhc3N3MHJkLTE="


def test_every_console_request_carries_the_session(recording: list[Line]) -> None:
    replay = Replay(steps(recording, "idem2:"))
    PluginAutoUpgrade(replay.dify("session")).difference()
    request = replay.requests[-1]
    assert request.headers["x-csrf-token"] == "token"
    assert request.headers["cookie"] == "access_token=token; csrf_token=token"


def test_host_prefixed_cookies_travel_over_plain_http(recording: list[Line]) -> None:
    login = next(line for line in recording if line.step == "init: login (https urls)")
    login = replace(login, url=httpx.URL("http://DIFY/console/api/login"))
    replay = Replay([*steps(recording, "idem2: setup", "idem2: auto"), login])
    PluginAutoUpgrade(replay.dify("prefixed")).difference()
    cookies = replay.requests[-1].headers["cookie"]
    assert cookies == "__Host-access_token=token; __Host-csrf_token=token"


def test_newest_plugin_is_looked_up_and_installed(recording: list[Line]) -> None:
    lines = steps(
        recording,
        "idem1: setup",
        "idem1: login",
        "idem1: installations",
        "idem2: installations",
        "latest-versions",
        "marketplace: install 0.0.64 (f",
        "install 0.0.64 fresh",
    )
    replay = Replay(lines)
    plugin = Plugin(replay.dify("newest"), "langgenius/openai_api_compatible")
    assert plugin.difference() == "the plugin langgenius/openai_api_compatible is not installed"
    plugin.apply()
    [(_, _, body)] = replay.writes
    assert body["plugin_unique_identifiers"][0].startswith("langgenius/openai_api_compatible:0.0.64@")


def test_question_and_deletion(recording: list[Line]) -> None:
    replay = Replay(steps(recording, "chat blocking", "conversation delete", "webapp passport"))
    service = replay.dify("chat").service
    answer = service.ask("app-key", "What do you say?", "lab-user")
    assert answer.text == "You said: What do you say?"
    assert (answer.prompt_tokens, answer.completion_tokens) == (13, 6)
    assert replay.writes[0][2]["auto_generate_name"] is False


def answering(recording: list[Line], *named: str) -> Dify:
    """A server that has just these answers, whatever their recorded request's body was."""
    chosen = [next(line for line in recording if line.step == step) for step in named]
    return Replay(chosen).dify(f"answering {named}")


def test_wrong_password_is_sent_once(recording: list[Line]) -> None:
    lines = steps(recording, "idem2: setup", "login: wrong password #1")
    replay = Replay(lines)
    for _ in range(2):
        dify = replay.dify("wrong password")
        with pytest.raises(DifyError) as refused:
            PluginAutoUpgrade(dify).difference()
        assert PASSWORD not in str(refused.value)
    assert len([request for request in replay.requests if request.url.path.endswith("/login")]) == 1
    assert "not sent again" in str(refused.value)


@pytest.mark.parametrize(
    ("step", "told"),
    [("login: wrong password #7", "delete the Redis key"), ("before: login while not set up", "not_setup")],
)
def test_login_refusals_are_explained(recording: list[Line], step: str, told: str) -> None:
    dify = answering(recording, "idem2: setup", step)
    with pytest.raises(DifyError, match=told):
        PluginAutoUpgrade(dify).difference()


def test_unset_default_of_a_dead_plugin_daemon_is_an_error(recording: list[Line]) -> None:
    unset = "default-model llm (before)"
    alive = answering(recording, "idem2: setup", "login", unset, "plugin list, page_size 1")
    models = DefaultModels(alive, {"llm": "qwen-lab"})
    assert models.difference() == "llm is not set, wanted is qwen-lab"

    down = next(line for line in recording if line.step == "daemon down: plugin list")
    url = httpx.URL(f"{down.url}?page=1&page_size=1")
    dead = replace(down, url=url)
    lines = [line for line in recording if line.step in ("idem2: setup", "login", unset)]
    with pytest.raises(DifyError, match="plugin_daemon container does not answer"):
        DefaultModels(Replay([*lines, dead]).dify("dead daemon"), {"llm": "qwen-lab"}).difference()


def test_missing_provider_is_a_difference(recording: list[Line]) -> None:
    dify = answering(recording, "idem2: setup", "login", "llm credentials after uninstall")
    credential = ModelCredential(dify, "qwen-lab", "llm", {}, "lab-key", b"salt")
    assert credential.difference() == (
        "the provider langgenius/openai_api_compatible/openai_api_compatible is not installed"
    )


def test_stale_list_of_providers_is_refreshed_by_installing_again(recording: list[Line]) -> None:
    lines = steps(
        recording,
        "idem2: setup",
        "idem2: login",
        "cache: credentials",
        "idem2: installations by ids",
        "cache: install again",
        "model-providers",
    )
    replay = Replay(lines, {**RENAMED, "Lab LLM v2": "Lab LLM"})
    llm = resources(replay.dify("stale cache"))[3]
    assert "is not installed" in (llm.difference() or "")
    llm.apply()
    [(_, path, body)] = replay.writes
    assert path == "/console/api/workspaces/current/plugin/install/pkg"
    assert body == named(recording, "cache: install again (already installed) clears it?").sent
    assert llm.difference() is None


@pytest.mark.parametrize("step", ["add llm: wrong api key", "daemon down: add llm"])
def test_refused_credential_is_told_without_the_key(recording: list[Line], step: str) -> None:
    key = "sk-canary-0123456789"
    dify = answering(recording, "idem2: setup", "login", "idem1: credentials llm", "model-providers", step)
    credential = ModelCredential(dify, "qwen-lab", "llm", {}, key, b"salt")
    with pytest.raises(DifyError, match="plugin_daemon") as refused:
        credential.apply()
    assert key not in f"{refused.value!r} {credential!r}"


def test_link_code(recording: list[Line]) -> None:
    for step, works in (("webapp passport", True), ("webapp passport: wrong code", False)):
        line = named(recording, step)
        visited = [
            replace(line, url=httpx.URL(f"{line.url}?user_id=provisioner")),
            named(recording, "webapp site"),
        ]
        assert Replay(visited).dify("link").service.link_works("code") is works
