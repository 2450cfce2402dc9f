"""Arguments of `vllm serve` by role and version."""

from __future__ import annotations

import pytest

from provision.domain.settings import ChatSettings, EmbedSettings, ModelRole, ModelSettings, ScoreSettings
from provision.domain.vllm import NEWEST, arguments, version

SETTINGS: dict[ModelRole, ModelSettings] = {
    "chat": ChatSettings(),
    "embed": EmbedSettings(),
    "score": ScoreSettings(),
}


@pytest.mark.parametrize(
    ("installed", "role", "flags"),
    [
        ("0.8.5", "embed", ["--task", "embed"]),
        ("0.8.5", "score", ["--task", "score"]),
        ("0.10.0", "score", ["--task", "score"]),
        ("0.10.1", "embed", ["--runner", "pooling", "--convert", "embed"]),
        ("0.12.0", "embed", ["--runner", "pooling", "--convert", "embed"]),
        ("0.12.0", "score", ["--runner", "pooling", "--convert", "classify"]),
        ("0.32.0+cpu", "score", ["--runner", "pooling", "--convert", "classify"]),
        (None, "embed", ["--runner", "pooling", "--convert", "embed"]),
    ],
)
def test_what_a_pooling_model_is_for(installed: str | None, role: ModelRole, flags: list[str]) -> None:
    found = arguments(role, SETTINGS[role], "/m", installed)
    assert found[-len(flags) :] == flags
    assert ("--task" in found) == (flags[0] == "--task")


def test_chat_has_the_missions_length_and_no_thinking() -> None:
    assert arguments("chat", ChatSettings(extra_args=["--enforce-eager"]), "/m", "0.32.0") == [
        "serve", "/m", "--host", "127.0.0.1", "--port", "8000", "--served-model-name", "qwen3-0.6b",
        "--max-model-len", "1024", "--default-chat-template-kwargs", '{"enable_thinking": false}',
        "--enforce-eager",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("installed", "can"),
    [
        ("0.8.5", False),
        ("0.12.0", False),
        ("0.13.0", False),
        ("0.14.0", True),
        ("0.32.0", True),
        (None, True),
    ],
)
def test_thinking_is_a_setting_where_the_server_can(installed: str | None, can: bool) -> None:
    off = arguments("chat", ChatSettings(), "/m", installed)
    on = arguments("chat", ChatSettings(thinking=True), "/m", installed)
    assert ('{"enable_thinking": false}' in off, '{"enable_thinking": true}' in on) == (can, can)
    assert ("--default-chat-template-kwargs" in off) == can


def test_gpus_are_named_when_there_are_several() -> None:
    assert "--tensor-parallel-size" not in arguments("chat", ChatSettings(), "/m", None, 1)
    found = arguments("chat", ChatSettings(), "/m", None, 4)
    assert found[found.index("--tensor-parallel-size") + 1] == "4"


def test_versions_compare_as_numbers() -> None:
    assert version("0.32.0+cpu") == (0, 32, 0)
    assert version("0.9.2") < version("0.10.1") < version(None) == NEWEST
