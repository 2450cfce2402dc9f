"""The client against what a real Dify 1.3.1 answered: bearer, plain password, one credential a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import client_scenario as scenario
import pytest
from client_replay import Line, Replay, asked, named, recorded
from client_scenario import KEY, NAME, PROVIDER, W

from provision.dify import DifyError
from provision.dify.resources import AdminAccount, DefaultModels, ModelCredential, Plugin, Resource
from provision.domain.wiring.masking import credential_name

LABELS = {name: f"{name} · {NAME}" for name in ("Lab LLM", "Lab Embedding", "Lab Rerank")}
APP = "12839ff9-8473-46f6-8dbc-0a196a145972"
IDS = "console/api/workspaces/current/plugin/list/installations/ids"


@pytest.fixture(scope="module")
def recording() -> list[Line]:
    return list(recorded("1.3.1"))


def session(recording: list[Line]) -> list[Line]:
    """What every run on a server with an administrator begins with."""
    return [named(recording, "after: setup status"), scenario.login(recording)]


def test_first_run_wires_and_the_next_writes_nothing(recording: list[Line], tmp_path: Path) -> None:
    package = tmp_path / "p.difypkg"
    package.write_bytes(b"PK")
    lines = [*scenario.fresh_server(recording), *scenario.made_app_lines(recording)]
    replay = Replay(lines, renamed=LABELS)

    def resources(server: str) -> list[Resource]:
        dify = replay.dify(server)
        app = named(recording, "POST /apps (chat)").sent
        chatbot = scenario.bot(dify, app, named(recording, "model-config: full").sent)
        return scenario.wiring(dify, recording, package, chatbot, upgrades=True)

    scenario.run(resources("1.3.1"))
    assert [(method, path) for method, path, _ in replay.writes] == [
        ("POST", "/console/api/setup"),
        ("POST", f"/{W}/plugin/upload/pkg"),
        ("POST", f"/{W}/plugin/install/pkg"),
        ("POST", f"/{PROVIDER}/models"),
        ("POST", f"/{PROVIDER}/models"),
        ("POST", f"/{PROVIDER}/models"),
        ("POST", f"/{W}/default-model"),
        ("POST", "/console/api/apps"),
        ("POST", f"/console/api/apps/{APP}/model-config"),
        ("POST", f"/console/api/apps/{APP}/api-keys"),
    ]
    sent = [body for _, _, body in replay.writes]
    for index, step in ((0, "setup"), (2, "install pkg"), (6, "default-model: set all")):
        assert sent[index] == named(recording, step).sent, step
    for index, model_type in enumerate(scenario.TYPES, start=3):
        expected = named(recording, f"add {model_type}").sent
        fields = {**expected["credentials"], "display_name": LABELS[expected["credentials"]["display_name"]]}
        fields.pop("max_chunks", None)  # the form of this old plugin does not have it
        assert sent[index] == {**expected, "credentials": fields}
    scenario.assert_configuration(sent[8], named(recording, "model-config: full").sent)

    scenario.assert_settled(replay, resources("1.3.1 again"))
    logins = [json.loads(r.content) for r in replay.requests if r.url.path.endswith("/login")]
    assert logins == [scenario.login(recording).sent] * 2, "one login a run, the password as it is"


def test_every_console_request_carries_the_bearer_token(recording: list[Line]) -> None:
    replay = Replay([*session(recording), named(recording, "default-model llm (after)")])
    DefaultModels(replay.dify("1.3.1 bearer"), {"llm": "qwen-lab"}).difference()
    assert replay.requests[-1].headers["authorization"] == "Bearer <jwt>"


def test_expired_token_is_renewed(recording: list[Line]) -> None:
    good = named(recording, "default-model llm (after)")
    expired = asked(named(recording, "authorization: garbage token"), "GET", f"{W}/plugin/list")
    replay = Replay([*session(recording), good, expired])
    dify = replay.dify("1.3.1 expired")
    DefaultModels(dify, {"llm": "qwen-lab"}).difference()
    with pytest.raises(DifyError, match="Invalid token"):
        dify.console.send("Look", "GET", "workspaces/current/plugin/list")
    assert [r.url.path.endswith("/login") for r in replay.requests].count(True) == 2


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("login: wrong password", "email_or_password_mismatch"),
        ("login: unknown user", "account_not_found"),
        ("login: password that breaks the rule (short)", "invalid_param"),
        ("lock: right password while locked", "email_code_login_limit"),
    ],
)
def test_refused_login_is_sent_once(recording: list[Line], step: str, code: str) -> None:
    replay = Replay([named(recording, "after: setup status"), named(recording, step)])
    [first, _] = scenario.refused_twice(replay, f"1.3.1 {step}")
    assert first.code == code
    assert ("Redis key" in first.advice) == (first.status == 429)


def test_a_server_without_administrator_is_no_wrong_password(recording: list[Line]) -> None:
    before = [named(recording, f"before: {what}") for what in ("setup status", "login while not set up")]
    with pytest.raises(DifyError, match="not_setup"):
        DefaultModels(Replay(before).dify("1.3.1 fresh"), {"llm": "qwen-lab"}).difference()
    after = Replay([*session(recording), named(recording, "default-model llm (after)")])
    assert DefaultModels(after.dify("1.3.1 fresh"), {"llm": "qwen-lab"}).difference() is None


def test_setup_by_somebody_else_in_the_meantime_is_fine(recording: list[Line]) -> None:
    steps = ("before: setup status", "before: init status", "setup: second time", "after: setup status")
    replay = Replay([named(recording, step) for step in steps])
    AdminAccount(replay.dify("1.3.1 twice"), "admin@lab.example.com", "Lab Admin", "Lab-Passw0rd-1").apply()


def credential(replay: Replay, key: str = KEY) -> ModelCredential:
    fields = {"endpoint_url": "http://MODELS/v1", "display_name": "Lab LLM", "context_size": "4096"}
    return ModelCredential(replay.dify("1.3.1 credential"), "qwen-lab", "llm", fields, key, b"salt")


def stored(recording: list[Line], *steps: str) -> list[Line]:
    return [*session(recording), *(named(recording, step) for step in (*steps, "model-providers"))]


def test_rotated_key_of_the_same_mask_is_noticed_and_written_once(recording: list[Line]) -> None:
    new = "other-7"  # as long as the old key: both are masked whole
    label = f"Lab LLM · {credential_name(new, b'salt')}"
    before, after = (named(recording, f"credentials of llm{after}") for after in ("", " after overwrite"))
    lines = [
        *session(recording),
        before,
        after,
        named(recording, "add llm"),
        named(recording, "model-providers"),
    ]
    replay = Replay(lines, {"Lab LLM": LABELS["Lab LLM"], "Lab LLM v2": label})
    rotated = credential(replay, new)
    assert rotated.difference() == "the API key is another (or was not set by this tool)"
    rotated.apply()
    [(_, path, body)] = replay.writes
    assert path == f"/{PROVIDER}/models"
    assert body["credentials"]["api_key"] == new
    assert body["credentials"]["display_name"] == label
    assert body["credentials"]["max_tokens_to_sample"] == "1024", "what is not managed is carried over"
    assert rotated.difference() is None


def test_credential_made_by_hand_is_adopted(recording: list[Line]) -> None:
    by_hand = credential(Replay(stored(recording, "credentials of llm")))
    assert by_hand.difference() == "the API key is another (or was not set by this tool)"


@pytest.mark.parametrize(
    ("step", "told"),
    [("add llm: wrong api key", "plugin_daemon"), ("daemon down: add llm", "plugin_daemon containers")],
)
def test_refused_credential_is_told_without_the_key(recording: list[Line], step: str, told: str) -> None:
    key = "sk-canary-0123456789"
    replay = Replay(stored(recording, "credentials of a never-added model", step))
    with pytest.raises(DifyError, match=told) as refused:
        credential(replay, key).apply()
    assert key not in str(refused.value)


def test_missing_provider_is_a_difference(recording: list[Line]) -> None:
    replay = Replay(stored(recording, "llm credentials after uninstall"))
    assert credential(replay).difference() == (
        "the provider langgenius/openai_api_compatible/openai_api_compatible is not installed"
    )


def test_missing_provider_of_an_installed_plugin_survives_a_refused_second_install(
    recording: list[Line],
) -> None:
    gone, again = named(recording, "llm credentials after uninstall"), "install pkg again (already installed)"
    ids = named(recording, "plugin installations by ids")
    shown = replace(named(recording, "credentials of llm"), url=gone.url)
    lines = [
        *session(recording),
        gone,
        shown,
        ids,
        named(recording, again),
        named(recording, "model-providers"),
    ]
    replay = Replay(lines, LABELS)
    credential(replay).apply()
    assert [path for _, path, _ in replay.writes] == [f"/{W}/plugin/install/pkg"]


def test_newest_plugin_is_installed_and_an_older_one_upgraded(recording: list[Line]) -> None:
    steps = ("plugin list (empty)", "plugin list after 0.0.34", "plugin list after 0.0.63")
    nothing, old, new = (asked(named(recording, step), "POST", IDS) for step in steps)
    poll, *_, done = (line for line in recording if line.step.startswith("upgrade 0.0.34 -> 0.0.63: task"))
    identifier = named(recording, "upgrade/marketplace 0.0.34 -> 0.0.63").sent["new_plugin_unique_identifier"]
    assert poll.key == done.key

    install = [named(recording, f"marketplace: install 0.0.34 ({'fresh'})"), nothing, old]
    install += [named(recording, "install 0.0.34 fresh: task poll"), named(recording, "latest-versions")]
    newest = Plugin(
        Replay([*session(recording), *install]).dify("1.3.1 newest"), identifier.partition(":")[0]
    )
    newest.apply()
    upgrade = [old, new, named(recording, "upgrade/marketplace 0.0.34 -> 0.0.63"), done]
    replay = Replay([*session(recording), *upgrade])
    pinned = Plugin(replay.dify("1.3.1 upgrade"), identifier)
    pinned.apply()
    assert replay.writes[0][2] == named(recording, "upgrade/marketplace 0.0.34 -> 0.0.63").sent
    assert pinned.difference() is None


def test_plugin_installed_in_the_meantime_is_fine(recording: list[Line]) -> None:
    nothing = asked(named(recording, "plugin list (empty)"), "POST", IDS)
    there = named(recording, "plugin installations by ids")
    again = named(recording, "marketplace install of an installed plugin id")
    replay = Replay([*session(recording), nothing, there, again])
    Plugin(replay.dify("1.3.1 race"), again.sent["plugin_unique_identifiers"][0]).apply()


def test_failed_and_unknown_tasks(recording: list[Line]) -> None:
    nothing = asked(named(recording, "plugin list (empty)"), "POST", IDS)
    start = named(recording, "marketplace: install 0.0.34 over installed 0.0.16")
    *_, failed = (line for line in recording if line.step == "install 0.0.34 over 0.0.16: task poll")
    unknown = replace(named(recording, "plugin task of unknown id"), url=failed.url)
    for poll, told in ((failed, "perhaps it's already installed"), (unknown, "ended, but the plugin")):
        replay = Replay([*session(recording), nothing, start, poll])
        with pytest.raises(DifyError, match=told):
            Plugin(replay.dify("1.3.1 task"), start.sent["plugin_unique_identifiers"][0]).apply()


def test_unsigned_package(recording: list[Line], tmp_path: Path) -> None:
    package = tmp_path / "p.difypkg"
    package.write_bytes(b"PK")
    nothing = asked(named(recording, "plugin list (empty)"), "POST", IDS)
    replay = Replay([*session(recording), nothing, named(recording, "upload unsigned pkg")])
    plugin = Plugin(replay.dify("1.3.1 unsigned"), "langgenius/openai_api_compatible", package=package)
    with pytest.raises(DifyError, match=r"bad signature.*marketplace, which signs it"):
        plugin.apply()


def test_unset_default_of_a_dead_plugin_daemon_is_an_error(recording: list[Line]) -> None:
    unset = named(recording, "daemon down: default-model get")
    down = asked(named(recording, "daemon down: plugin list"), "GET", f"{W}/plugin/list?page=1&page_size=1")
    replay = Replay([*session(recording), unset, down])
    with pytest.raises(DifyError, match="plugin_daemon"):
        DefaultModels(replay.dify("1.3.1 dead"), {"llm": "qwen-lab"}).difference()


def test_changed_profile_is_sent_with_the_icon_switch(recording: list[Line]) -> None:
    renamed = named(recording, "made app: PUT rename with use_icon_as_answer_icon")
    details = [named(recording, step) for step in ("made app detail", "made app: read back")]
    lines = [*session(recording), *scenario.app_lines(recording, details, made=False), renamed]
    lines.append(named(recording, "model-config: full"))
    replay = Replay(lines)
    app = {**named(recording, "POST /apps (chat)").sent, "description": "d2"}
    chatbot = scenario.bot(replay.dify("1.3.1 put"), app, named(recording, "model-config: full").sent)
    with pytest.raises(DifyError, match="these differ: description"):
        chatbot.apply()  # the recorded answers never change it
    [sent] = [body for method, _, body in replay.writes if method == "PUT"]
    assert sent == {**renamed.sent, "name": "Made Chat"}


def test_question_and_link(recording: list[Line]) -> None:
    steps = [
        named(recording, "chat blocking"),
        *scenario.visit_lines(recording, "webapp site with Authorization Bearer"),
    ]
    service = Replay(steps).dify("1.3.1 chat").service
    answer = service.ask("app-key", "What do you say?", "lab-user")
    assert (answer.text, answer.prompt_tokens) == ("You said: What do you say?", 13)
    assert service.link_works("code")
    closed = asked(named(recording, "passport while site is off"), "GET", "api/passport?user_id=provisioner")
    assert not Replay([closed]).dify("1.3.1 closed").service.link_works("code")
