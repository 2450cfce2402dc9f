"""Flags as vLLM's own parser would take them."""

from __future__ import annotations

import pytest

from provision.domain.flags import MANAGED_FLAGS, given, managed


@pytest.mark.parametrize(
    ("argument", "flag"),
    [
        ("--max-model-len", "--max-model-len"),
        ("--max_model_len=5", "--max-model-len"),
        ("--max-m", "--max-model-len"),
        ("--served_model", "--served-model-name"),
        ("--conv=embed", "--convert"),
        ("--ho", "--host"),
        ("--tensor", "--tensor-parallel-size"),
        ("-tp", "-tp"),
        ("-tp=2", "-tp"),
        ("-t", "-tp"),
        ("--default_chat_template_kwargs.enable_thinking", "--default-chat-template-kwargs"),
        ("--default-c.enable_thinking=true", "--default-chat-template-kwargs"),
        ("--", "--model"),
    ],
)
def test_managed_however_it_is_written(argument: str, flag: str) -> None:
    assert managed(argument) == flag


@pytest.mark.parametrize(
    "argument",
    [
        "--gpu-memory-utilization=0.8", "--enforce-eager", "--tokenizer", "--max-num-seqs", "--hf-overrides",
        "--trust-remote-code", "--model-impl", "--pipeline-parallel-size", "-q", "-pp", "0.9", "-1", "-",
        "--chat-template-content-format", "auto", "64M",
    ],
)  # fmt: skip
def test_not_managed(argument: str) -> None:
    assert managed(argument) is None


def test_managed_flags_are_spelt_as_vllm_spells_them() -> None:
    assert all(flag.startswith("-") and "_" not in flag for flag in MANAGED_FLAGS)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], None),
        (["--enforce-eager"], None),
        (["--gpu-memory-utilization", "0.5"], "0.5"),
        (["--gpu_memory_utilization=0.5"], "0.5"),
        (["--gpu-memory-util", "0.5", "--enforce-eager"], "0.5"),
        (["--gpu-memory-utilization", "0.5", "--gpu-memory-utilization=0.7"], "0.7"),
        (["--gpu-memory-utilization", "--enforce-eager"], ""),
        (["--gpu-memory-utilization"], ""),
    ],
)
def test_a_flags_value(arguments: list[str], value: str | None) -> None:
    assert given(arguments, "--gpu-memory-utilization") == value
