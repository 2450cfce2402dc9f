"""A fresh recorded server and everything that is wired at it, from the recordings of 1.3.1, 1.9.2 and 1.12.1.

Those recorded a client that tried things out, not one that reconciles. So a few answers stand at another
request of the same shape (`asked`), and lists are made of the recorded details of their items.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from client_replay import EMAIL, PASSWORD, Line, Replay, asked, named

from provision.dify import Dify, LoginRefusedError
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
from provision.domain.providers import ModelType
from provision.domain.wiring.masking import credential_name

W = "console/api/workspaces/current"
PROVIDER = f"{W}/model-providers/langgenius/openai_api_compatible/openai_api_compatible"
TYPES: tuple[ModelType, ...] = ("llm", "text-embedding", "rerank")
KEY = "lab-key"
NAME = credential_name(KEY, b"salt")


def body(line: Line) -> Any:
    """The JSON of a recorded answer."""
    return json.loads(line.content)


def answered(line: Line, content: Any) -> Line:
    """The same exchange with another answer."""
    return replace(line, content=json.dumps(content).encode())


def login(recording: list[Line]) -> Line:
    """The good login."""
    return next(line for line in recording if line.step in ("login", "login (plain)"))


def plugin_lines(recording: list[Line]) -> list[Line]:
    """A package uploaded to a server without plugins, and installed."""
    ids = "workspaces/current/plugin/list/installations/ids"
    polls = [line for line in recording if line.step == "install: task poll"]
    return [
        asked(named(recording, "plugin list (empty)"), "POST", f"console/api/{ids}"),
        named(recording, "upload signed pkg"),
        named(recording, "install pkg"),
        polls[-1],
        named(recording, "plugin installations by ids"),
        asked(named(recording, "plugin list"), "GET", f"{W}/plugin/list?page=1&page_size=1"),
        named(recording, "model-providers"),
    ]


def credential_lines(recording: list[Line]) -> list[Line]:
    """No model, then all three."""
    steps = {line.step for line in recording}
    if "credentials of a never-added model" in steps:
        nothing = named(recording, "credentials of a never-added model")
    else:
        removed = named(recording, "credentials of removed llm")
        nothing = answered(removed, {**body(removed), "available_credentials": []})
    lines = []
    for model_type in TYPES:
        shown = named(recording, f"credentials of {model_type}")
        lines += [replace(nothing, url=shown.url), named(recording, f"add {model_type}"), shown]
    return lines


def default_lines(recording: list[Line]) -> list[Line]:
    """No default model, then all three."""
    lines = [named(recording, "default-model: set all")]
    for model_type in TYPES:
        lines += [named(recording, f"default-model {model_type} ({when})") for when in ("before", "after")]
    return lines


def app_lines(recording: list[Line], details: list[Line], *, made: bool) -> list[Line]:
    """The app of these details in the list of apps, where it is `made` only after a write, and its keys."""
    app = body(details[0])
    name = str(httpx.QueryParams({"name": app["name"]}))
    query = f"console/api/apps?page=1&limit=100&{name}&mode=chat"
    found = asked(named(recording, "app list by name"), "GET", query)
    envelope = {**body(found), "total": 1, "has_more": False}
    lines = [answered(found, {**envelope, "total": 0, "data": []})] if made else []
    lines.append(answered(found, {**envelope, "data": [app]}))
    keys = f"console/api/apps/{app['id']}/api-keys"
    return [
        *lines,
        *details,
        asked(named(recording, "api keys (empty)"), "GET", keys),
        asked(named(recording, "api key create"), "POST", keys),
        asked(named(recording, "api keys list (1 left)"), "GET", keys),
    ]


def made_app_lines(recording: list[Line]) -> list[Line]:
    """An app made by POST /apps and configured (1.3.1 and 1.9.2)."""
    details = [named(recording, step) for step in ("made app detail", "made app: read back")]
    writes = [named(recording, step) for step in ("POST /apps (chat)", "model-config: full")]
    return [*app_lines(recording, details, made=True), *writes]


def fresh_server(recording: list[Line]) -> list[Line]:
    """Setup, login, plugin, credentials and defaults of a server that has nothing."""
    return [
        *(named(recording, step) for step in ("before: setup status", "after: setup status")),
        named(recording, "before: init status"),
        named(recording, "setup"),
        login(recording),
        *plugin_lines(recording),
        *credential_lines(recording),
        *default_lines(recording),
    ]


def credentials(dify: Dify, recording: list[Line], types: tuple[ModelType, ...] = TYPES) -> list[Resource]:
    """The models as they were recorded."""
    resources: list[Resource] = []
    for model_type in types:
        sent = named(recording, f"add {model_type}").sent
        fields = {name: value for name, value in sent["credentials"].items() if name != "api_key"}
        resources.append(ModelCredential(dify, sent["model"], model_type, fields, KEY, b"salt"))
    return resources


def bot(dify: Dify, app: Mapping[str, Any], configuration: Mapping[str, Any]) -> Chatbot:
    """The app as it was recorded, with the configuration that was sent."""
    params = {
        key: value for key, value in configuration["model"]["completion_params"].items() if key != "stop"
    }
    return Chatbot(
        dify,
        app["name"],
        app["description"],
        app["icon"],
        app["icon_background"],
        configuration["model"]["name"],
        configuration["pre_prompt"],
        params,
        configuration["opening_statement"],
        configuration["suggested_questions"],
    )


def wiring(
    dify: Dify, recording: list[Line], package: Path, chatbot: Chatbot, *, upgrades: bool
) -> list[Resource]:
    """Everything, in its order.

    Args:
        package: any file; what is in it was recorded.
        upgrades: the automatic upgrade too, which no recording of 1.7 to 1.14 has.
    """
    models = {model_type: named(recording, f"add {model_type}").sent["model"] for model_type in TYPES}
    return [
        AdminAccount(dify, EMAIL, "Lab Admin", PASSWORD),
        Plugin(dify, "langgenius/openai_api_compatible", package=package),
        *([PluginAutoUpgrade(dify)] if upgrades else []),
        *credentials(dify, recording),
        DefaultModels(dify, models),
        chatbot,
        SiteAndApi(dify, chatbot.name),
        ApiKey(dify, chatbot.name),
    ]


def run(resources: list[Resource]) -> None:
    """Look and apply, as an operation does."""
    for resource in resources:
        resource.difference()
        resource.apply()


def assert_settled(replay: Replay, resources: list[Resource]) -> None:
    """Nothing differs, and applying all the same writes nothing."""
    written = len(replay.writes)
    assert {resource.title: resource.difference() for resource in resources} == {
        resource.title: None for resource in resources
    }
    for resource in resources:
        resource.apply()
    assert len(replay.writes) == written


def assert_configuration(sent: Mapping[str, Any], accepted: Mapping[str, Any]) -> None:
    """What the client publishes says what the recorded client's did, in keys that the server takes."""
    params = {"stop": [], **sent["model"]["completion_params"]}
    assert {**sent["model"], "completion_params": params} == accepted["model"]
    for key in ("pre_prompt", "opening_statement", "suggested_questions"):
        assert sent[key] == accepted[key]
    assert sent["dataset_configs"]["retrieval_model"] == "multiple"
    assert None not in sent.values()


def refused_twice(replay: Replay, server: str) -> list[LoginRefusedError]:
    """Two runs' refusals, of which only the first may have sent the password."""
    errors = []
    for _ in range(2):
        with pytest.raises(LoginRefusedError) as refused:
            DefaultModels(replay.dify(server), {"llm": "qwen-lab"}).difference()
        assert PASSWORD not in str(refused.value)
        errors.append(refused.value)
    assert len([request for request in replay.requests if request.url.path.endswith("/login")]) == 1
    assert "not sent again" in errors[1].problem
    return errors


def visit_lines(recording: list[Line], site_step: str) -> list[Line]:
    """A visitor's passport, and the page that it opens."""
    passport = named(recording, "webapp passport")
    query = asked(passport, "GET", "api/passport?user_id=provisioner")
    return [query, named(recording, site_step)]
