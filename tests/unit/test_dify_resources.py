"""Resources against a server that refuses, lies or is half-way: with scripted answers by route."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from dify_routes import (
    CREDENTIALS,
    IDS,
    INSTALL,
    NEW,
    NOTHING_STORED,
    STARTED,
    SUCCESS,
    TASK,
    Routes,
    W,
    app,
    bot,
    credential,
    installed,
    listed,
    task,
)

from provision.dify import DifyError
from provision.dify.resources import (
    AdminAccount,
    ApiKey,
    DefaultModels,
    ModelCredential,
    Plugin,
    SiteAndApi,
)
from provision.domain.wiring.retrieval import MARK


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
    assert (sent["email"], sent["language"]) == ("Admin@Example.com", "zh-Hans")
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


def form(*names: str) -> dict[str, Any]:
    schema = {"credential_form_schemas": [{"variable": name} for name in names]}
    provider = "langgenius/openai_api_compatible/openai_api_compatible"
    return {"data": [{"provider": provider, "model_credential_schema": schema}]}


def test_a_plugin_that_cannot_do_what_is_needed_is_told_with_the_way_out() -> None:
    values = {"context_size": "1024", "compatibility_mode": "extended"}
    needs = {"compatibility_mode": "upgrade it"}
    routes = Routes({f"GET {CREDENTIALS}": [NOTHING_STORED]})
    routes.answers[f"GET {W}/model-providers"] = [form("context_size")]
    wanted = ModelCredential(routes.dify(), "m", "llm", values, "key", b"salt", needs=needs)
    with pytest.raises(DifyError, match=r"the installed plugin has no compatibility_mode.*upgrade it"):
        wanted.difference()
    routes.answers[f"GET {W}/model-providers"] = [form("context_size", "compatibility_mode")]
    assert wanted.difference() == "the model has no credential"


def test_two_apps_of_one_name() -> None:
    routes = Routes({"GET apps": [listed(app(1), app(2), {**app(3), "name": "bot 2"})]})
    with pytest.raises(DifyError, match="2 chat apps have this name: 1, 2"):
        bot(routes).difference()


def test_of_two_apps_the_one_with_our_mark_is_taken() -> None:
    ours = app(2, description=f"Helps ({MARK})")
    routes = Routes({"GET apps": [listed(app(1), ours)], "GET apps/2": [ours]})
    found = routes.dify().apps.find("Bot")
    assert found
    assert found.id == "2"


def test_an_app_that_somebody_made_by_hand_is_not_taken_over() -> None:
    routes = Routes({"GET apps": [listed(app(1))], "GET apps/1": [app(1)]})
    mine = replace(bot(routes), description=f"Helps ({MARK})")
    for ask in (mine.difference, mine.apply):
        with pytest.raises(DifyError, match=r"the chat app 1 has this name .* rename it"):
            ask()
    assert all(sent.startswith("GET") for sent, _ in routes.sent if "apps" in sent)


def test_a_dataset_that_is_hidden_from_the_administrator_stays_attached() -> None:
    attached = [{"dataset": {"enabled": True, "id": "theirs"}}]
    config = {"dataset_configs": {"datasets": {"datasets": attached}}}
    routes = Routes({"GET apps": [listed(app(1))], "GET apps/1": [app(1, model_config=config)]})
    hidden = {"code": "forbidden", "message": "You do not have permission to access this dataset."}
    gone = {"code": "not_found", "message": "Dataset not found."}
    for answer, differs in (((403, hidden), False), ((404, gone), True)):
        routes.answers["GET datasets/theirs"] = [answer]
        assert ("knowledge" in (bot(routes).difference() or "")) is differs


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


def test_of_two_keys_of_one_second_it_is_always_the_same() -> None:
    keys = [{"id": each, "token": f"app-{each}", "created_at": 1} for each in "ba"]
    data_keys = [{**key, "token": f"dataset-{key['id']}"} for key in keys]
    for order in (1, -1):
        routes = Routes({"GET apps": [listed(app(1))], "GET apps/1": [app(1)]})
        routes.answers["GET apps/1/api-keys"] = [{"data": keys[::order]}]
        routes.answers["GET datasets/api-keys"] = [{"data": data_keys[::order]}]
        dify = routes.dify()
        assert dify.apps.api_key("Bot") == "app-a"
        assert dify.datasets.keys() == ["dataset-a", "dataset-b"]


DEFAULT, PLUGINS = f"GET {W}/default-model", f"GET {W}/plugin/list"


@pytest.mark.parametrize("status", [400, 500])
def test_a_default_that_a_dead_plugin_daemon_hides_is_not_set_again(status: int) -> None:
    dead = (status, {"code": "invalid_param", "message": "Failed to request plugin daemon, url: …"})
    routes = Routes({DEFAULT: [{"data": None}], PLUGINS: [dead]})
    defaults = DefaultModels(routes.dify(), {"llm": "m"})
    for ask in (defaults.difference, defaults.apply):
        with pytest.raises(DifyError):
            ask()
    assert not routes.bodies(f"POST {W}/default-model")


def test_a_default_that_nobody_has_set_is_set() -> None:
    provider = {"provider": "langgenius/openai_api_compatible/openai_api_compatible"}
    routes = Routes({DEFAULT: [{"data": None}, {"data": {"model": "m", "provider": provider}}]})
    routes.answers |= {PLUGINS: [{"plugins": []}], f"POST {W}/default-model": [SUCCESS]}
    DefaultModels(routes.dify(), {"llm": "m"}).apply()
    assert len(routes.bodies(f"POST {W}/default-model")) == 1


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


def test_secrets_that_a_newer_form_has_are_kept_and_their_masks_not_stored() -> None:
    fields = [
        {"variable": "context_size", "type": "text-input"},
        {"variable": "api_key", "type": "secret-input"},
        {"variable": "client_secret", "type": "secret-input"},
        {"variable": "note", "type": "text-input"},
    ]
    provider = "langgenius/openai_api_compatible/openai_api_compatible"
    shown = {
        "credentials": {
            "context_size": "512",
            "api_key": "*" * 20,
            "client_secret": "abcdef************yz",
            "note": "mine",
        },
        "current_credential_id": "1",
        "current_credential_name": "theirs",
        "available_credentials": [{"credential_id": "1", "credential_name": "theirs"}],
    }
    schema = {"credential_form_schemas": fields}
    routes = Routes(
        {
            f"GET {CREDENTIALS}": [shown],
            f"GET {W}/model-providers": [
                {"data": [{"provider": provider, "model_credential_schema": schema}]}
            ],
            f"PUT {CREDENTIALS}": [SUCCESS],
        }
    )
    with pytest.raises(DifyError, match="accepted it, but"):
        credential(routes).apply()
    [sent] = routes.bodies(f"PUT {CREDENTIALS}")
    assert sent["credentials"] == {
        "context_size": "1024",
        "api_key": "canary-key-123",
        "client_secret": "[__HIDDEN__]",
        "note": "mine",
    }


def test_an_answer_that_lacks_a_member_is_told_as_dify_s() -> None:
    """Not as a KeyError, which would end the run for every host."""
    unnamed = {**NOTHING_STORED, "available_credentials": [{"credential_id": "1"}]}
    with pytest.raises(DifyError, match="an object in it has no 'credential_name'"):
        credential(Routes({f"GET {CREDENTIALS}": [unnamed]})).difference()
    with pytest.raises(DifyError, match="'plugins' has members that are no objects"):
        Plugin(Routes({IDS: [{"plugins": ["a/b"]}]}).dify(), "a/b").difference()
    with pytest.raises(DifyError, match="names a plugin in another way: 'a/b@1'"):
        Plugin(Routes({IDS: [installed("a/b@1")]}).dify(), "a/b").difference()


def test_an_eleventh_key_is_told_with_a_way_out() -> None:
    body = {"custom": "max_keys_exceeded", "message": "Cannot create more than 10 API keys."}
    routes = Routes({"POST apps/1/api-keys": [(400, body)]})
    with pytest.raises(DifyError, match=r"400 max_keys_exceeded: .* → .*revoke one first"):
        routes.dify().console.send("Create an API key", "POST", "apps/1/api-keys")


def test_secrets_in_an_installation_s_words_are_hidden() -> None:
    said = "https://me:canary@mirror.example.com/simple and https://canary@pypi.example.com of Passw0rd-1"
    routes = Routes({IDS: [installed()], INSTALL: [STARTED], TASK: [task("failed", said)]})
    with pytest.raises(DifyError) as error:
        Plugin(routes.dify(), NEW).apply()
    shown = "https://***@mirror.example.com/simple and https://***@pypi.example.com of ***"
    assert shown in str(error.value)


def test_what_a_failed_question_of_a_dry_run_means() -> None:
    plugins = f"GET {W}/plugin/list"
    well = Routes({plugins: [{"plugins": []}]})
    assert well.dify().trouble() is None
    assert Routes({"GET setup": [{"step": "not_started"}]}).dify().trouble() is None, "nobody to be yet"
    down = (400, {"code": "invalid_param", "message": "Failed to request plugin daemon, url: plugin"})
    trouble = Routes({plugins: [down]}).dify().trouble()
    assert trouble is not None
    assert "plugin_daemon container does not answer" in str(trouble)
    gateway = Routes({"GET setup": [(502, None)]}).dify().trouble()
    assert gateway is not None
    assert gateway.status == 502
