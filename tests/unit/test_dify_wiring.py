"""Versions, plugins, passwords and the chatbot's configuration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.wiring.chatbot import (
    BotConfiguration,
    configuration_differences,
    merged_configuration,
)
from provision.domain.wiring.passwords import administrator_problem, password_problem
from provision.domain.wiring.plugins import PluginAction, PluginReference, plan_plugin
from provision.domain.wiring.versions import Version

PROVIDER = "langgenius/openai_api_compatible/openai_api_compatible"
WANTED = BotConfiguration(PROVIDER, "qwen-lab", "Be kind.", {"temperature": 0.2}, "Hello.", ("Why?",))

# ``model_config`` of an app that was just created, and what the server makes of a written one
# (recording of 1.16.1: "apps: detail (fresh)", "apps: model-config sent vs read").
FRESH: dict[str, Any] = {
    "opening_statement": None,
    "suggested_questions": [],
    "annotation_reply": {"enabled": False},
    "sensitive_word_avoidance": {"enabled": False, "type": "", "config": {}},
    "model": {"provider": PROVIDER, "name": "qwen-lab", "mode": "chat", "completion_params": {}},
    "dataset_query_variable": None,
    "pre_prompt": None,
    "agent_mode": {"enabled": False, "strategy": None, "tools": [], "prompt": None},
    "prompt_type": "simple",
    "dataset_configs": {"retrieval_model": "multiple"},
    "created_by": "8d1e32cf",
    "created_at": 1795336144,
}


@given(st.tuples(*[st.integers(0, 99)] * 3), st.tuples(*[st.integers(0, 99)] * 3))
def test_versions_order_as_numbers(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    first, second = (Version.parse(".".join(map(str, parts))) for parts in (one, other))
    assert (first < second) == (one < other)


@pytest.mark.parametrize(("text", "version"), [("1.16", Version(1, 16)), ("v1.17.0-rc1", Version(1, 17))])
def test_version_spellings(text: str, version: Version) -> None:
    assert Version.parse(text) == version


@pytest.mark.parametrize("text", ["", "latest"])
def test_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


def plugin(version: str) -> PluginReference:
    return PluginReference.parse(f"author/name:{version}@{'0' * 64}" if version else "author/name")


@pytest.mark.parametrize(
    ("wanted", "installed", "action"),
    [
        ("", None, PluginAction.INSTALL),
        ("0.0.63", None, PluginAction.INSTALL),
        ("", "0.0.1", PluginAction.NOTHING),
        ("0.0.63", "0.0.63", PluginAction.NOTHING),
        ("0.0.63", "0.0.64", PluginAction.NOTHING),
        ("0.0.63", "0.1.0", PluginAction.NOTHING),
        ("0.0.63", "0.0.9", PluginAction.UPGRADE),
    ],
)
def test_plugin_plan(wanted: str, installed: str | None, action: PluginAction) -> None:
    plan = plan_plugin(plugin(wanted), None if installed is None else plugin(installed))
    assert plan.action is action
    assert bool(plan.reason) == (action is not PluginAction.NOTHING)


@pytest.mark.parametrize("text", ["name", "a/b:1.0.0", "a/b:1.0.0@abc", "a/b@" + "0" * 64])
def test_bad_plugin(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        PluginReference.parse(text)


@pytest.mark.parametrize(
    ("password", "problem"),
    [("short1", "8"), ("12345678", "letter"), ("abcdefgh", "digit"), ("Lab-Passw0rd-1", None)],
)
def test_password_rule(password: str, problem: str | None) -> None:
    found = password_problem(password)
    assert (found is None) if problem is None else (problem in (found or ""))
    assert password not in (found or "")


@pytest.mark.parametrize(
    ("email", "name", "init"),
    [("admin@localhost", "A", None), ("a@b.cd", "n" * 31, None), ("a@b.cd", "A", "x" * 31)],
)
def test_administrator_rules(email: str, name: str, init: str | None) -> None:
    assert administrator_problem(email, name, "Lab-Passw0rd-1", init)
    assert administrator_problem("a@b.cd", "A", "Lab-Passw0rd-1", "x" * 30) is None


def test_new_app_differs_in_what_we_manage() -> None:
    differing = configuration_differences(WANTED, FRESH)
    assert differing == ["pre_prompt", "opening_statement", "suggested_questions", "model.completion_params"]
    assert configuration_differences(WANTED, None)


def test_merged_configuration_of_a_new_app_has_no_nulls() -> None:
    merged = merged_configuration(WANTED, FRESH)
    assert "created_by" not in merged
    assert "annotation_reply" not in merged, "the server does not take it here"
    assert merged["agent_mode"] == {"enabled": False, "tools": []}
    assert merged["dataset_query_variable"] == ""
    assert merged["file_upload"]["image"]["enabled"] is False


def test_what_the_server_makes_of_it_is_no_difference() -> None:
    written = merged_configuration(WANTED, FRESH)
    shown = {
        **written,
        "model": {**written["model"], "completion_params": {"temperature": 0.2, "stop": []}},
        "sensitive_word_avoidance": {"enabled": False},
        "agent_mode": {"enabled": False, "tools": [], "strategy": "router"},
        "updated_at": 1,
    }
    assert configuration_differences(WANTED, shown) == []


def test_unmanaged_keys_are_kept() -> None:
    knowledge = {"retrieval_model": "multiple", "datasets": {"datasets": [{"dataset": {"id": "1"}}]}}
    published = merged_configuration(WANTED, None)
    shown = {**published, "dataset_configs": knowledge, "pre_prompt": "edited by hand"}
    assert configuration_differences(WANTED, shown) == ["pre_prompt"]
    merged = merged_configuration(WANTED, shown)
    assert merged["dataset_configs"] == knowledge
    assert merged["pre_prompt"] == "Be kind."


@given(st.dictionaries(st.sampled_from([*FRESH, "speech_to_text", "unknown"]), st.none() | st.just({})))
def test_merging_settles(shown: dict[str, Any]) -> None:
    merged = merged_configuration(WANTED, shown)
    assert configuration_differences(WANTED, merged) == []
    assert merged_configuration(WANTED, merged) == merged
