"""Credentials and models that are saved, with scripted answers by route."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from dify_routes import (
    CREDENTIALS,
    NOTHING_STORED,
    SUCCESS,
    UNEXPLAINED,
    Routes,
    W,
    app,
    bot,
    credential,
    listed,
)

from provision.dify import DifyError
from provision.dify.resources import (
    DefaultModels,
    StrayModels,
    ToolCredential,
)
from provision.domain.wiring.masking import credential_name


def test_credential_is_not_stacked_when_the_write_is_lost() -> None:
    routes = Routes({f"GET {CREDENTIALS}": [NOTHING_STORED], f"POST {CREDENTIALS}": [(201, SUCCESS)]})
    with pytest.raises(DifyError, match="accepted it, but the model has no credential"):
        credential(routes).apply()
    assert len(routes.bodies(f"POST {CREDENTIALS}")) == 1


def test_orphan_of_ours_is_switched_to_and_updated() -> None:
    orphan = {
        **NOTHING_STORED,
        "available_credentials": [{"credential_id": "1", "credential_name": "vllm-00000000"}],
    }
    active = {**orphan, "current_credential_id": "1", "current_credential_name": "vllm-00000000"}
    routes = Routes({f"GET {CREDENTIALS}": [orphan, active], f"POST {CREDENTIALS}/switch": [SUCCESS]})
    wanted = credential(routes)
    sent = {"context_size": "1024", "api_key": "canary-key-123"}
    routes.answers[f"PUT {CREDENTIALS}"] = [SUCCESS]
    with pytest.raises(DifyError, match="context_size is ''"):
        wanted.apply()
    assert routes.bodies(f"PUT {CREDENTIALS}")[0]["credentials"] == sent
    assert "canary" not in repr(wanted)


def test_a_credential_that_an_upgraded_dify_does_not_find_is_told_with_the_command_for_it() -> None:
    stored = {
        **NOTHING_STORED,
        "credentials": {"context_size": "8", "api_key": "other*******key"},
        "current_credential_id": "1",
        "current_credential_name": "vllm-00000000",
    }
    unfound = {"code": "invalid_param", "message": "Credential record not found.", "status": 400}
    routes = Routes({f"GET {CREDENTIALS}": [stored], f"PUT {CREDENTIALS}": [(400, unfound)]})
    with pytest.raises(DifyError, match="flask data-migrate legacy-model-types --apply"):
        credential(routes).apply()


def test_save_waits_for_a_plugin_that_may_be_starting() -> None:
    routes = Routes({f"GET {CREDENTIALS}": [NOTHING_STORED]})
    routes.answers[f"POST {CREDENTIALS}"] = [UNEXPLAINED]
    with pytest.raises(DifyError, match=r"500 unknown: .* → see the logs of Dify's api and plugin_daemon"):
        credential(routes).apply()
    assert routes.now == 60


def test_save_looks_again_before_it_is_repeated() -> None:
    stored = {
        "credentials": {"context_size": "1024", "api_key": "canary************23"},
        "current_credential_id": "1",
        "current_credential_name": credential_name("canary-key-123", b"salt"),
        "available_credentials": [],
    }
    routes = Routes({f"GET {CREDENTIALS}": [NOTHING_STORED, stored], f"POST {CREDENTIALS}": [UNEXPLAINED]})
    credential(routes).apply()
    assert len(routes.bodies(f"POST {CREDENTIALS}")) == 1


def test_save_waits_longer_for_a_plugin_that_is_starting() -> None:
    """As Dify tells it of a tool since 1.7.0 (``services/tools/builtin_tools_manage_service.py``)."""
    said = "PluginDaemonInternalServerError: no available node, plugin runtime not found"
    path = f"{W}/tool-provider/builtin/a/b/c"
    routes = Routes({f"GET {path}/credentials": [[]]})
    routes.answers[f"POST {path}/add"] = [(400, {"code": "invalid_param", "message": said})]
    with pytest.raises(DifyError, match="no available node"):
        ToolCredential(routes.dify(), "a/b/c", {"base_url": "http://x"}).apply()
    assert routes.now == 180


MODELS = CREDENTIALS.removesuffix("/credentials")


CONNECTED = {**NOTHING_STORED, "credentials": {"context_size": "1024"}, "current_credential_id": "1"}


def unlisted(write: str, message: str, **answers: Any) -> Routes:
    """A Dify that refuses a write as its list of models is empty."""
    refused = (400, {"code": "invalid_param", "message": message, "status": 400})
    routes = Routes({f"GET {MODELS}": [{"data": []}], f"GET {CREDENTIALS}": [CONNECTED], **answers})
    routes.answers[write] = [refused]
    return routes


def test_a_model_that_dify_does_not_list_for_want_of_its_plugin_is_told_as_that() -> None:
    told = r"plugin of langgenius/.* does not run: Dify has a credential of m \(llm\) .*logs plugin_daemon"
    write = f"POST {W}/default-model"
    routes = unlisted(write, "Model m does not exist.")
    routes.answers |= {f"GET {W}/default-model": [{"data": None}], f"GET {W}/plugin/list": [{"plugins": []}]}
    with pytest.raises(DifyError, match=told):
        DefaultModels(routes.dify(), {"llm": "m"}).apply()
    assert (routes.now, len(routes.bodies(write))) == (180, 1)

    write = "POST apps/1/model-config"
    routes = unlisted(write, "model.name must be in the specified model list")
    routes.answers |= {"GET apps": [listed(app(1))], "GET apps/1": [app(1)]}
    with pytest.raises(DifyError, match=told):
        bot(routes).apply()
    assert (routes.now, len(routes.bodies(write))) == (180, 1)


def test_models_that_left_are_not_told_from_those_that_are_not_listed() -> None:
    told = r"plugin of langgenius/.* does not run: Dify has a credential of m \(llm\) .*logs plugin_daemon"
    said: list[str] = []
    routes = unlisted("POST nothing", "")
    dify = routes.dify()
    dry = StrayModels(dify, [("llm", "m")], prune=True, report=said.append)
    assert dry.difference() is None
    assert (routes.now, len(said)) == (0, 1)
    dify.console.patience = 900
    strays = replace(dry, report=None)
    for ask in (strays.difference, strays.apply):
        with pytest.raises(DifyError, match=told):
            ask()
    assert routes.now == 360
    assert replace(dry, prune=False).difference() is None  # nothing would be removed anyway
    assert re.search(told, said[1])
    assert not any(sent.startswith("DELETE") for sent, _ in routes.sent)


def test_a_model_that_is_not_connected_is_not_waited_for() -> None:
    routes = unlisted("POST apps/1/model-config", "model.name must be in the specified model list")
    routes.answers |= {"GET apps": [listed(app(1))], "GET apps/1": [app(1)]}
    routes.answers[f"GET {CREDENTIALS}"] = [NOTHING_STORED]
    with pytest.raises(DifyError, match="specified model list → the model must be connected before"):
        bot(routes).apply()
    assert routes.now == 0


def test_an_app_is_looked_for_before_it_is_made_again() -> None:
    """Dify up to 1.16.0 asks the default model's plugin for a new app (``services/app_service.py``)."""
    routes = Routes({"GET apps": [listed(), listed(), listed(app(1))], "GET apps/1": [app(1)]})
    routes.answers |= {"POST apps": [UNEXPLAINED], "POST apps/1/model-config": [SUCCESS]}
    with pytest.raises(DifyError, match="Dify accepted it, but these differ: pre_prompt"):
        bot(routes).apply()
    assert len(routes.bodies("POST apps")) == 2
