"""The client against what a real Dify 1.9.2 answered: cookies and CSRF, plain password, named credentials."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import client_scenario as scenario
import pytest
from client_replay import Line, Replay, asked, named, recorded
from client_scenario import NAME, PROVIDER, W

from provision.dify import DifyError
from provision.dify.resources import DefaultModels, ModelCredential, Plugin, Resource

RENAMED = {"primary": NAME}
APP = "22d5335c-2955-473c-a857-241e4df8f33b"
IDS = "console/api/workspaces/current/plugin/list/installations/ids"


@pytest.fixture(scope="module")
def recording() -> list[Line]:
    return list(recorded("1.9.2"))


def session(recording: list[Line]) -> list[Line]:
    """What every run on a server with an administrator begins with."""
    return [named(recording, "after: setup status"), scenario.login(recording)]


def test_first_run_wires_and_the_next_writes_nothing(recording: list[Line], tmp_path: Path) -> None:
    package = tmp_path / "p.difypkg"
    package.write_bytes(b"PK")
    replay = Replay([*scenario.fresh_server(recording), *scenario.made_app_lines(recording)], renamed=RENAMED)

    def resources(server: str) -> list[Resource]:
        dify = replay.dify(server)
        app = named(recording, "POST /apps (chat)").sent
        chatbot = scenario.bot(dify, app, named(recording, "model-config: full").sent)
        return scenario.wiring(dify, recording, package, chatbot, upgrades=False)

    scenario.run(resources("1.9.2"))
    assert [(method, path) for method, path, _ in replay.writes] == [
        ("POST", "/console/api/setup"),
        ("POST", f"/{W}/plugin/upload/pkg"),
        ("POST", f"/{W}/plugin/install/pkg"),
        ("POST", f"/{PROVIDER}/models/credentials"),
        ("POST", f"/{PROVIDER}/models/credentials"),
        ("POST", f"/{PROVIDER}/models/credentials"),
        ("POST", f"/{W}/default-model"),
        ("POST", "/console/api/apps"),
        ("POST", f"/console/api/apps/{APP}/model-config"),
        ("POST", f"/console/api/apps/{APP}/api-keys"),
    ]
    sent = [body for _, _, body in replay.writes]
    for index, step in ((0, "setup"), (2, "install pkg"), (6, "default-model: set all")):
        assert sent[index] == named(recording, step).sent, step
    for index, model_type in enumerate(scenario.TYPES, start=3):
        assert sent[index] == {**named(recording, f"add {model_type}").sent, "name": NAME}
    scenario.assert_configuration(sent[8], named(recording, "model-config: full").sent)

    scenario.assert_settled(replay, resources("1.9.2 again"))
    logins = [json.loads(r.content) for r in replay.requests if r.url.path.endswith("/login")]
    assert logins == [scenario.login(recording).sent] * 2, "one login a run, the password as it is"
    assert "lab-key" not in {value for r in replay.requests for value in r.headers.values()}


def test_every_console_request_carries_cookies_and_csrf(recording: list[Line]) -> None:
    replay = Replay([*session(recording), named(recording, "default-model llm (after)")])
    DefaultModels(replay.dify("1.9.2 session"), {"llm": "qwen-lab"}).difference()
    headers = replay.requests[-1].headers
    assert headers["cookie"] == "access_token=token; csrf_token=token"
    assert headers["x-csrf-token"] == "token"
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("login: wrong password", 401),
        ("login: unknown user", 401),
        ("login: base64 password (1.12 style)", 401),
        ("login: no password", 400),
        ("login: wrong password #7", 429),
    ],
)
def test_refused_login_is_sent_once(recording: list[Line], step: str, status: int) -> None:
    replay = Replay([named(recording, "after: setup status"), named(recording, step)])
    [first, _] = scenario.refused_twice(replay, f"1.9.2 {step}")
    assert first.status == status


def test_errors_by_field_are_told(recording: list[Line]) -> None:
    weak = replace(named(recording, "setup: weak password"), session=frozenset())
    dify = Replay([weak]).dify("1.9.2 errors")
    with pytest.raises(
        DifyError, match=r"400: Input payload validation failed; password: Password must"
    ) as told:
        dify.transport.send("Set up", "POST", "console/api/setup", body={})
    assert told.value.is_bad_request


def test_removed_model_is_brought_back_by_its_credential(recording: list[Line]) -> None:
    lines = [
        named(recording, step)
        for step in (
            "credentials of removed llm",
            "re-add removed model: credentials/switch",
            "credentials after re-adding",
            "model-providers",
        )
    ]
    # The recorded client had given it another label, which is beside the point.
    replay = Replay([*session(recording), *lines], {**RENAMED, "Lab LLM v2": "Lab LLM"})
    [llm] = scenario.credentials(replay.dify("1.9.2 removed"), recording, ("llm",))
    llm.apply()
    assert [(path, body) for _, path, body in replay.writes] == [
        (
            f"/{PROVIDER}/models/credentials/switch",
            named(recording, "re-add removed model: credentials/switch").sent,
        )
    ]
    assert llm.difference() is None


def test_rotated_key_renames_the_active_credential(recording: list[Line]) -> None:
    lines = [named(recording, "credentials of llm"), named(recording, "model-providers")]
    update = named(recording, "update llm credential with [__HIDDEN__] key")
    replay = Replay([*session(recording), *lines, update], RENAMED)
    dify = replay.dify("1.9.2 rotated")
    rotated = ModelCredential(
        dify, "qwen-lab", "llm", {"endpoint_url": "http://MODELS/v1"}, "other-7", b"salt"
    )
    assert rotated.difference() == "the API key is another (or was not set by this tool)"
    with pytest.raises(DifyError, match="accepted it, but"):
        rotated.apply()  # the recorded answers keep the old name
    [(method, path, body)] = replay.writes
    assert (method, path) == ("PUT", f"/{PROVIDER}/models/credentials")
    assert body["credential_id"] == update.sent["credential_id"]
    assert body["credentials"]["api_key"] == "other-7"
    assert body["credentials"]["max_tokens_to_sample"] == "1024", "what is not managed is carried over"


@pytest.mark.parametrize("step", ["add llm: wrong api key", "daemon down: add llm"])
def test_refused_credential_is_told_without_the_key(recording: list[Line], step: str) -> None:
    key = "sk-canary-0123456789"
    nothing, *_ = scenario.credential_lines(recording)
    lines = [nothing, named(recording, step), named(recording, "model-providers")]
    dify = Replay([*session(recording), *lines]).dify("1.9.2 refused")
    with pytest.raises(DifyError, match="plugin_daemon") as refused:
        ModelCredential(dify, "qwen-lab", "llm", {}, key, b"salt").apply()
    assert key not in str(refused.value)


def test_plugin_installed_in_the_meantime_is_fine(recording: list[Line]) -> None:
    nothing = asked(named(recording, "plugin list (empty)"), "POST", IDS)
    there = named(recording, "plugin installations by ids")
    again = named(recording, "marketplace install of an installed plugin id")
    replay = Replay([*session(recording), nothing, there, again])
    Plugin(replay.dify("1.9.2 race"), again.sent["plugin_unique_identifiers"][0]).apply()


def test_unset_default_of_a_dead_plugin_daemon_is_an_error(recording: list[Line]) -> None:
    unset = named(recording, "daemon down: default-model get")
    down = asked(named(recording, "daemon down: plugin list"), "GET", f"{W}/plugin/list?page=1&page_size=1")
    replay = Replay([*session(recording), unset, down])
    with pytest.raises(DifyError, match="plugin_daemon container does not answer"):
        DefaultModels(replay.dify("1.9.2 dead"), {"llm": "qwen-lab"}).difference()


def test_question_and_link(recording: list[Line]) -> None:
    visit = scenario.visit_lines(recording, "webapp site with X-App-Passport")
    service = Replay([named(recording, "chat blocking"), *visit]).dify("1.9.2 chat").service
    answer = service.ask("app-key", "What do you say?", "lab-user")
    assert (answer.text, answer.prompt_tokens) == ("You said: What do you say?", 13)
    assert service.link_works("code")
