"""The arguments that we write, read by the parser of the vLLM that is installed on a test host."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from provision.domain.flags import MANAGED_FLAGS, managed
from provision.domain.settings import ChatSettings, EmbedSettings, ModelRole, ModelSettings, ScoreSettings
from provision.domain.vllm import arguments

pytestmark = pytest.mark.usefixtures("converged")

# Builds the parser as vLLM's own main() does, and prints what it made of each argument list. A list that it
# refuses ends the program with 2. vLLM's log goes to standard output too: the last line is ours.
PROGRAM = """
import json, sys
from vllm.entrypoints.cli import serve
from vllm.utils.argparse_utils import FlexibleArgumentParser

parser = FlexibleArgumentParser()
commands = parser.add_subparsers(required=False, dest="subparser")
serving = [command.subparser_init(commands) for command in serve.cmd_init()][0]
parsed = {role: vars(parser.parse_args(words)) for role, words in json.loads(sys.argv[1]).items()}
names = [action.option_strings for action in serving._actions]
print()
print(json.dumps({"parsed": parsed, "names": names}, default=str))
"""

# More than one GPU and every setting away from its default, so that each argument is written.
SETTINGS: dict[ModelRole, ModelSettings] = {
    "chat": ChatSettings(thinking=True, extra_args=["--kv-cache-memory-bytes", "64M"]),
    "embed": EmbedSettings(max_model_len=256),
    "score": ScoreSettings(served_name="ranker"),
}


@pytest.fixture(scope="module")
def understood(on: Callable[..., str]) -> dict[str, Any]:
    written = {role: arguments(role, each, "/m", None, gpus=2) for role, each in SETTINGS.items()}
    python = "/srv/dify-vllm/venv/vllm/bin/python"
    said = on("gpu-chat", "env", "HOME=/tmp", python, "-c", PROGRAM, json.dumps(written))
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (
            "chat",
            {
                "served_model_name": ["qwen3-0.6b"], "max_model_len": 1024, "port": 8000, "runner": "auto",
                "default_chat_template_kwargs": {"enable_thinking": True},
            },
        ),
        (
            "embed",
            {"max_model_len": 256, "port": 8001, "runner": "pooling", "convert": "embed"},
        ),
        (
            "score",
            {"served_model_name": ["ranker"], "port": 8002, "runner": "pooling", "convert": "classify"},
        ),
    ],
)  # fmt: skip
def test_vllm_reads_what_we_mean(understood: dict[str, Any], role: str, expected: dict[str, Any]) -> None:
    found = understood["parsed"][role]
    everywhere = {"model_tag": "/m", "host": "127.0.0.1", "tensor_parallel_size": 2}
    wanted = everywhere | expected
    assert {name: found[name] for name in wanted} == wanted


def test_every_spelling_of_a_managed_flag_is_known(understood: dict[str, Any]) -> None:
    for names in understood["names"]:
        if any(name in MANAGED_FLAGS for name in names):
            assert all(managed(name) for name in names), names


def test_no_other_flag_of_vllm_is_taken_for_a_managed_one(understood: dict[str, Any]) -> None:
    for names in understood["names"]:
        if not any(name in MANAGED_FLAGS for name in names):
            assert not any(managed(name) for name in names), names
