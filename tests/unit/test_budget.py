"""Prompt, chunks and answer fit the models, or are refused with the numbers and what to lower."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.budget import CONTEXT_FRAME, QUESTION, TEMPLATE, budget_problems, tokens
from provision.domain.deployment import deployment

PLACES = {name: {"ssh_hostname": f"10.0.0.{number}"} for number, name in enumerate("abcd", 1)}
GROUPS = {"chat": ["a"], "embed": ["b"], "score": ["c"], "dify": ["d"]}


def problems(prompt: str, groups: dict[str, list[str]] = GROUPS, **changes: dict[str, Any]) -> list[str]:
    hosts = {name for names in groups.values() for name in names}
    data = {host: {**PLACES[host], **changes.get(host, {})} for host in sorted(hosts)}
    return budget_problems(deployment(groups, data), prompt)


@pytest.mark.parametrize(
    ("text", "really"),  # counted with qwen.tiktoken of dashscope 2.0.2
    [
        ("你好，请介绍一下你自己。", 5),
        ("こんにちは世界", 2),
        ("Привет, как дела?", 7),
        ("https://mirrors.aliyun.com/pypi/simple", 10),
        ("e28a7f9c-11aa-4b", 15),
    ],
)
def test_the_estimate_is_not_below_what_the_tokenizer_counts(text: str, really: int) -> None:
    assert really <= tokens(text) <= len(text)


@given(st.text(), st.text())
def test_the_estimate_grows_with_the_text_and_is_bounded_by_its_length(one: str, other: str) -> None:
    assert tokens(one) <= tokens(f"{one} {other}")
    assert tokens(one) <= len(one)


def test_the_defaults_fit_with_a_prompt_of_a_page() -> None:
    assert problems("你" * 400) == []


def test_it_fits_to_the_token() -> None:
    room = 1024 - 512 - QUESTION - TEMPLATE
    assert problems("你" * room) == []
    [told] = problems("你" * (room + 1))
    assert told == (
        f"d: a question takes up to 1025 tokens (about {room + 1} for dify.bot.prompt = "
        "'templates/bot_prompt.md', 64 for a question, 20 for the chat template, 512 for "
        "dify.bot.max_tokens), but chat.max_model_len = 1024; raise chat.max_model_len of a to 1025, lower "
        "dify.bot.max_tokens to 511, or shorten the prompt"
    )


def test_following_the_advice_makes_it_fit() -> None:
    knowledge = {"folders": ["handbook"], "chunk_size": 200, "top_k": 3}
    [told] = problems("你" * 100, d={"dify": {"knowledge": knowledge}})
    assert f"3 x 200 for dify.knowledge.top_k and .chunk_size with Dify's frame of {CONTEXT_FRAME}" in told
    assert "raise chat.max_model_len of a to 1436, lower dify.bot.max_tokens to 100" in told
    assert "lower dify.knowledge.top_k or .chunk_size" in told
    lower = {"knowledge": knowledge, "bot": {"max_tokens": 100}}
    assert problems("你" * 100, d={"dify": lower}) == []
    assert (
        problems("你" * 100, a={"chat": {"max_model_len": 1436}}, d={"dify": {"knowledge": knowledge}}) == []
    )


def test_no_answer_shorter_than_a_question_is_advised() -> None:
    [told] = problems("你" * 1500)
    assert "max_tokens to" not in told


def test_a_long_suggested_question_counts() -> None:
    bot = {"suggested_questions": ["你" * 200]}
    [told] = problems("你" * 300, d={"dify": {"bot": bot}})
    assert "200 for a question" in told


def test_chunks_fit_the_models_that_read_them() -> None:
    fits = {"folders": ["handbook"], "chunk_size": 444, "top_k": 1}
    large = {"chat": {"max_model_len": 4096}}
    assert problems("", a=large, d={"dify": {"knowledge": fits}}) == []
    assert problems("", a=large, d={"dify": {"knowledge": {**fits, "chunk_size": 509}}}) == [
        "d: dify.knowledge.chunk_size = 509 takes up to 513 tokens of embed.max_model_len = 512; lower "
        "dify.knowledge.chunk_size to 508 or less",
        "d: dify.knowledge.chunk_size = 509 takes up to 577 tokens of score.max_model_len = 512; lower "
        "dify.knowledge.chunk_size to 444 or less",
    ]


def test_knowledge_needs_both_models() -> None:
    groups = {"chat": ["a"], "dify": ["d"]}
    large = {"chat": {"max_model_len": 4096}}
    told = problems("", groups, a=large, d={"dify": {"knowledge": {"folders": ["handbook"]}}})
    assert [line.partition(", but")[0] for line in told] == [
        "d: dify.knowledge.folders are searched with the embed model",
        "d: dify.knowledge.folders are searched with the score model",
    ]
