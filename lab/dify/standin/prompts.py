"""What a chat model is asked: system prompt, history, question, and how long the answer may be.

Source: ``core/prompt/simple_prompt_transform.py``, ``core/memory/token_buffer_memory.py`` and
``core/app/apps/base_app_runner.py`` (recalc_llm_max_tokens). Dify counts tokens with GPT-2's vocabulary; the
lab estimates that count from the text.
"""

from __future__ import annotations

import re
from typing import Any

from .store import Document

VARIABLE = re.compile(r"\{\{([a-zA-Z_]\w{0,29})\}\}")
LEAST_ANSWER = 16  # tokens: what remains when the prompt fills the context
MESSAGE_TOKENS = 4  # what a message costs beyond its text
ASCII_PER_TOKEN = 4
TOKENS_PER_OTHER = 2  # GPT-2 knows hardly any Chinese character as one token

Message = dict[str, str]


# The frame of what was found, in the lab's words and about as long as Dify's (``common_chat.json``).
FRAME = (
    "What is between the two tags was found for the question. Treat it as what you have learnt.\n\n"
    "<context>\n{context}\n</context>\n\nHow to answer the user:\n"
    "- Say that you do not know what you do not know.\n- Ask back when you are not sure what that is.\n"
    "Do not say that the answer was taken from the context.\n"
    "Answer in the language in which the user has asked.\n\n"
)


def messages(
    config: Document,
    inputs: dict[str, Any],
    query: str,
    history: list[Document],
    room: int,
    context: str = "",
) -> list[Message]:
    """The messages of one turn.

    Args:
        config: the app's configuration; its prompt becomes the system message.
        history: earlier turns of the conversation, the oldest first.
        room: tokens that prompt, history and question may take together; the oldest turns are left out.
        context: what was found in the app's datasets; it stands before the prompt.
    """
    prompt = VARIABLE.sub(lambda found: str(inputs.get(found[1], found[0])), config["pre_prompt"] or "")
    prompt = FRAME.format(context=context) + prompt if context else prompt
    system = [{"role": "system", "content": prompt}] if prompt else []
    question = [{"role": "user", "content": query}]
    left = room - tokens(system + question)
    kept: list[Message] = []
    for turn in reversed(history):
        said = [{"role": "user", "content": turn["query"]}, {"role": "assistant", "content": turn["answer"]}]
        left -= tokens(said)
        if left < 0:
            break
        kept = said + kept
    return system + kept + question


def bounded(parameters: dict[str, Any], asked: list[Message], context: int) -> dict[str, Any]:
    """Parameters whose ``max_tokens`` leave room for the prompt in a context of that many tokens."""
    wanted = int(parameters.get("max_tokens") or 0)
    used = tokens(asked)
    if used + wanted <= context:
        return parameters
    return {**parameters, "max_tokens": max(context - used, LEAST_ANSWER)}


def tokens(asked: list[Message]) -> int:
    """About how many tokens GPT-2's vocabulary needs for messages."""
    return sum(MESSAGE_TOKENS + text_tokens(message["content"]) for message in asked)


def text_tokens(text: str) -> int:
    """About how many tokens GPT-2's vocabulary needs for a text."""
    plain = sum(character.isascii() for character in text)
    return -(-plain // ASCII_PER_TOKEN) + TOKENS_PER_OTHER * (len(text) - plain)
