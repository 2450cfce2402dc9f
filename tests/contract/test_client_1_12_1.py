"""The client against what a real Dify 1.12.1 answered: Base64 password, setup's other errors, an adopted bot.

The recorded client made no app by ``POST /apps``: the bot is one that was imported by hand.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import client_scenario as scenario
import httpx
import pytest
from client_replay import EMAIL, PASSWORD, Line, Replay, asked, named, recorded
from client_scenario import NAME, PROVIDER, W

from provision.dify import DifyError
from provision.dify.resources import AdminAccount, DefaultModels, ModelCredential, Plugin, Resource

RENAMED = {"primary": NAME}
APP = "411ebeb6-65f8-4b25-94aa-2ba996b2de57"
INIT = "1.12.1-init-password"


@pytest.fixture(scope="module")
def recording() -> list[Line]:
    return list(recorded("1.12.1"))


def session(recording: list[Line]) -> list[Line]:
    """What every run on a server with an administrator begins with."""
    return [named(recording, "after: setup status"), scenario.login(recording)]


def test_first_run_wires_and_the_next_writes_nothing(recording: list[Line], tmp_path: Path) -> None:
    package = tmp_path / "p.difypkg"
    package.write_bytes(b"PK")
    details = [named(recording, step) for step in ("app detail (site)", "app detail before attach")]
    published = named(recording, "model-config (publish chat app)")
    lines = [
        *scenario.fresh_server(recording),
        *scenario.app_lines(recording, details, made=False),
        published,
    ]
    replay = Replay(lines, renamed=RENAMED)

    def resources(server: str) -> list[Resource]:
        dify = replay.dify(server)
        chatbot = scenario.bot(dify, scenario.body(details[0]), published.sent)
        return scenario.wiring(dify, recording, package, chatbot, upgrades=False)

    scenario.run(resources("1.12.1"))
    assert [(method, path) for method, path, _ in replay.writes] == [
        ("POST", "/console/api/setup"),
        ("POST", f"/{W}/plugin/upload/pkg"),
        ("POST", f"/{W}/plugin/install/pkg"),
        ("POST", f"/{PROVIDER}/models/credentials"),
        ("POST", f"/{PROVIDER}/models/credentials"),
        ("POST", f"/{PROVIDER}/models/credentials"),
        ("POST", f"/{W}/default-model"),
        ("POST", f"/console/api/apps/{APP}/model-config"),
        ("POST", f"/console/api/apps/{APP}/api-keys"),
    ]
    sent = [body for _, _, body in replay.writes]
    for index, step in ((0, "setup"), (2, "install pkg"), (6, "default-model: set all")):
        assert {**named(recording, step).sent, "language": "en-US"} == {**sent[index], "language": "en-US"}, (
            step
        )
    for index, model_type in enumerate(scenario.TYPES, start=3):
        assert sent[index] == {**named(recording, f"add {model_type}").sent, "name": NAME}
    scenario.assert_configuration(sent[7], published.sent)

    scenario.assert_settled(replay, resources("1.12.1 again"))
    logins = [json.loads(r.content) for r in replay.requests if r.url.path.endswith("/login")]
    assert logins == [scenario.login(recording).sent] * 2, "one login a run, the password in Base64"
    assert logins[0]["password"] == "TGFiLVBhc3N3MHJkLTE="


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("login: wrong password", 401),
        ("login: unknown user", 401),
        ("login: plain (not base64) password", 401),
        ("login: wrong password #7", 429),
    ],
)
def test_refused_login_is_sent_once(recording: list[Line], step: str, status: int) -> None:
    replay = Replay([named(recording, "after: setup status"), named(recording, step)])
    [first, _] = scenario.refused_twice(replay, f"1.12.1 {step}")
    assert first.status == status


def admin(replay: Replay, init_password: str | None) -> AdminAccount:
    dify = replay.dify(f"1.12.1 init {init_password}")
    return AdminAccount(dify, EMAIL, "Lab Admin", PASSWORD, init_password)


def test_setup_under_init_password() -> None:
    recording = list(recorded(INIT))
    before, after = (named(list(recorded("1.12.1")), f"{when}: setup status") for when in ("before", "after"))
    right = named(recording, "init right")
    lines = [before, after, named(recording, "init status"), right, named(recording, "setup, same session")]
    replay = Replay(lines)
    admin(replay, right.sent["password"]).apply()
    assert [path for _, path, _ in replay.writes] == ["/console/api/init", "/console/api/setup"]
    assert replay.writes[0][2] == right.sent
    setup = next(r for r in replay.requests if r.method == "POST" and r.url.path.endswith("/setup"))
    assert "session=" in setup.headers["cookie"], "the proof of INIT_PASSWORD travels along"


@pytest.mark.parametrize(
    ("given", "told"),
    [("wrong-init", "not the INIT_PASSWORD"), (None, "wants it before the setup")],
)
def test_wrong_init_password(given: str | None, told: str) -> None:
    recording = list(recorded(INIT))
    before = named(list(recorded("1.12.1")), "before: setup status")
    replay = Replay([before, named(recording, "init status"), named(recording, "init wrong")])
    with pytest.raises(DifyError, match=told):
        admin(replay, given).apply()


def test_setup_errors_of_the_other_shape(recording: list[Line]) -> None:
    weak = named(recording, "setup: weak password")
    dify = Replay([weak]).dify("1.12.1 errors")
    with pytest.raises(DifyError, match="422 validation_error") as told:
        dify.transport.send("Set up", "POST", "console/api/setup", body={})
    assert told.value.is_bad_request
    assert told.value.code == "validation_error"


def test_host_prefixed_cookies_travel_over_plain_http(recording: list[Line]) -> None:
    prefixed = named(list(recorded(INIT)), "login (https urls)")
    prefixed = replace(prefixed, url=httpx.URL("http://DIFY/console/api/login"))
    default = named(recording, "default-model llm (after)")
    replay = Replay([named(recording, "after: setup status"), prefixed, default])
    DefaultModels(replay.dify("1.12.1 prefixed"), {"llm": "qwen-lab"}).difference()
    assert replay.requests[-1].headers["cookie"] == "__Host-access_token=token; __Host-csrf_token=token"


def test_second_install_is_a_success_without_a_task(recording: list[Line]) -> None:
    ids = f"{W}/plugin/list/installations/ids"
    nothing = asked(named(recording, "plugin list (empty)"), "POST", ids)
    again = named(recording, "marketplace install of an installed plugin id")
    replay = Replay([*session(recording), nothing, named(recording, "plugin installations by ids"), again])
    Plugin(replay.dify("1.12.1 race"), again.sent["plugin_unique_identifiers"][0]).apply()


def test_plugin_from_a_file_is_not_upgraded_from_the_marketplace(recording: list[Line]) -> None:
    refused = named(recording, "upgrade/marketplace 0.0.63 -> 0.0.64 (installed from package)")
    lines = [*session(recording), named(recording, "plugin installations by ids"), refused]
    plugin = Plugin(Replay(lines).dify("1.12.1 file"), refused.sent["new_plugin_unique_identifier"])
    with pytest.raises(DifyError, match="installed from a file cannot be upgraded"):
        plugin.apply()


@pytest.mark.parametrize("step", ["add llm: wrong api key", "add llm: wrong endpoint"])
def test_refused_credential_is_told_without_the_key(recording: list[Line], step: str) -> None:
    key = "sk-canary-0123456789"
    nothing, *_ = scenario.credential_lines(recording)
    lines = [nothing, named(recording, step), named(recording, "model-providers")]
    dify = Replay([*session(recording), *lines]).dify("1.12.1 refused")
    with pytest.raises(DifyError, match="plugin_daemon") as refused:
        ModelCredential(dify, "qwen-lab", "llm", {}, key, b"salt").apply()
    assert key not in str(refused.value)


def test_question_and_link(recording: list[Line]) -> None:
    visit = scenario.visit_lines(recording, "webapp site")
    service = Replay([named(recording, "chat blocking"), *visit]).dify("1.12.1 chat").service
    answer = service.ask("app-key", "What do you say?", "lab-user")
    assert (answer.text, answer.prompt_tokens) == ("You said: What do you say?", 13)
    assert service.link_works("code")
