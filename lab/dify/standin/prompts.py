"""What a chat model is asked: system prompt, history, question, and how long the answer may be.

Source: ``core/prompt/prompt_transform.py``, ``core/prompt/simple_prompt_transform.py``,
``core/memory/token_buffer_memory.py`` and ``core/app/apps/base_app_runner.py`` (recalc_llm_max_tokens). Dify
has the plugin count tokens, which does so with GPT-2's vocabulary (dify_plugin,
``openai_compatible/llm.py``), only where ``PLUGIN_BASED_TOKEN_COUNTING_ENABLED`` is true: otherwise every
text has 0, nothing is left out and nothing lowered. The lab estimates the count from the text.
"""

from __future__ import annotations

import re
from typing import Any

from .store import Document

VARIABLE = re.compile(r"\{\{([a-zA-Z_]\w{0,29})\}\}")
MOST_TURNS = 500  # of a conversation's last ones that are looked at
LEAST_ANSWER = 16  # tokens: what remains when the prompt fills the context
MESSAGE_TOKENS = 4  # what a message costs beyond its text
REPLY_TOKENS = 3  # what any count begins with
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
    room: int | None,
    context: str = "",
) -> list[Message]:
    """The messages of one turn.

    Args:
        config: the app's configuration; its prompt becomes the system message.
        history: earlier turns of the conversation, the oldest first.
        room: tokens that prompt and history may take together: the oldest messages are left out, though never
            the last one; the question is not thought of. None where nothing is counted.
        context: what was found in the app's datasets; it stands before the prompt.
    """
    prompt = VARIABLE.sub(lambda found: str(inputs.get(found[1], found[0])), config["pre_prompt"] or "")
    prompt = FRAME.format(context=context) + prompt if context else prompt
    system = [{"role": "system", "content": prompt}] if prompt else []
    question = [{"role": "user", "content": query}]
    said = [
        {"role": role, "content": turn[field]}
        for turn in history[-MOST_TURNS:]
        for role, field in (("user", "query"), ("assistant", "answer"))
    ]
    left = None if room is None else max(room - tokens(system), 0)
    while left is not None and len(said) > 1 and tokens(said) > left:
        said.pop(0)
    return system + said + question


def bounded(parameters: dict[str, Any], asked: list[Message], context: int | None) -> dict[str, Any]:
    """Parameters whose ``max_tokens`` leave room for the prompt in a context of that many tokens.

    Args:
        context: None where nothing is counted.
    """
    if context is None:
        return parameters
    wanted = int(parameters.get("max_tokens") or 0)
    used = tokens(asked)
    if used + wanted <= context:
        return parameters
    return {**parameters, "max_tokens": max(context - used, LEAST_ANSWER)}


def tokens(asked: list[Message]) -> int:
    """About how many tokens GPT-2's vocabulary needs for messages."""
    return REPLY_TOKENS + sum(MESSAGE_TOKENS + text_tokens(message["content"]) for message in asked)


def text_tokens(text: str) -> int:
    """About how many tokens GPT-2's vocabulary needs for a text."""
    plain = sum(character.isascii() for character in text)
    return -(-plain // ASCII_PER_TOKEN) + TOKENS_PER_OTHER * (len(text) - plain)
