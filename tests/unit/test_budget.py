"""Prompt, chunks and answer fit the models, or are refused with the numbers and what to lower."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.budget import (
    ANSWER,
    CONTEXT_FRAME,
    QUESTION,
    TEMPLATE,
    budget_problems,
    counted,
    tokens,
)
from provision.domain.deployment import deployment
from provision.domain.settings import BotSettings
from provision.templates import text

PLACES = {name: {"ssh_hostname": f"10.0.0.{number}"} for number, name in enumerate("abcd", 1)}
BOT = BotSettings()
ENGLISH = {"bot": {"max_tokens": 512, "test_question": "Who are you?"}}
KNOWLEDGE = {"folders": ["handbook"], "chunk_size": 200, "top_k": 3}
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


@pytest.mark.parametrize(
    ("words", "really"),  # with GPT-2's vocabulary, as dify_plugin counts
    [
        (text(BOT.prompt).strip(), 262),
        ("你好，请介绍一下你自己。", 25),
        ("请问公司的年假是怎么规定的？员工在公司连续工作满一年后，每年可以享受五天的带薪年假。", 83),
        ("Please tell me how many days of leave an employee has per year, and whom to ask about it.", 21),
        ("2026-11-23 12:34:56 电话 13800138000, order 99887766", 26),
        ("# 标题\n\n- **加粗**：内容\n- 第二项\n", 35),
    ],
)
def test_the_estimate_is_not_far_below_what_dify_counts(words: str, really: int) -> None:
    assert 0.9 * really <= counted(words) <= 2 * really


def test_the_defaults_fit() -> None:
    assert problems(text(BOT.prompt).strip()) == []
    assert problems("You are a helpful assistant. Answer briefly.", d={"dify": ENGLISH}) == []


def test_it_fits_to_the_token() -> None:
    room = 1024 - 3 * BOT.max_tokens - ANSWER - QUESTION - TEMPLATE
    prompt = "你" * (room * 4 // 9)
    assert problems(prompt) == []
    [refused] = problems(prompt + "你")
    assert refused == (
        "d: a conversation takes up to 1025 tokens as Dify counts them (about 333 for dify.bot.prompt = "
        "'templates/bot_prompt.md', 64 for a question, 20 around the messages, 480 for the answer before, "
        "with dify.bot.max_tokens = 160, 128 for the answer), but chat.max_model_len = 1024; "
        "raise chat.max_model_len of a to 1025, lower dify.bot.max_tokens to 159, or shorten the prompt"
    )


@pytest.mark.parametrize("changes", [{"bot": {"max_tokens": 512}}, {"knowledge": KNOWLEDGE}])
def test_following_the_advice_makes_it_fit(changes: dict[str, Any]) -> None:
    [refused] = problems("你" * 100, d={"dify": changes})
    higher, lower = (re.search(f"{way} (\\d+)", refused) for way in ("of a to", "max_tokens to"))
    assert higher
    longer = int(higher[1])
    assert problems("你" * 100, a={"chat": {"max_model_len": longer}}, d={"dify": changes}) == []
    assert problems("你" * 100, a={"chat": {"max_model_len": longer - 1}}, d={"dify": changes})
    assert bool(lower) == ("bot" in changes)
    if lower:
        shorter = int(lower[1])
        assert problems("你" * 100, d={"dify": {"bot": {"max_tokens": shorter}}}) == []
        assert problems("你" * 100, d={"dify": {"bot": {"max_tokens": shorter + 1}}})


def test_chunks_are_counted_in_the_prompts_language() -> None:
    [chinese] = problems("你" * 100, d={"dify": {"knowledge": KNOWLEDGE}})
    assert f"3 x 450 for dify.knowledge.top_k and .chunk_size with Dify's frame of {CONTEXT_FRAME}" in chinese
    assert "lower dify.knowledge.top_k or .chunk_size" in chinese
    [english] = problems("Be brief.", d={"dify": {"knowledge": KNOWLEDGE}})
    assert "3 x 200 for" in english
    assert "160 for the answer before" in english


def test_no_answer_shorter_than_a_question_is_advised() -> None:
    [refused] = problems("你" * 1500)
    assert "max_tokens to" not in refused


def test_a_long_suggested_question_counts() -> None:
    bot = {"suggested_questions": ["你" * 200]}
    [refused] = problems("你" * 300, d={"dify": {"bot": bot}})
    assert "450 for a question" in refused


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
    refused = problems("", groups, a=large, d={"dify": {"knowledge": {"folders": ["handbook"]}}})
    assert [line.partition(", but")[0] for line in refused] == [
        "d: dify.knowledge.folders are searched with the embed model",
        "d: dify.knowledge.folders are searched with the score model",
    ]
