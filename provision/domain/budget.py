"""Will a question fit? Prompt, retrieved chunks and answer against what the models can read."""

from __future__ import annotations

import re

from provision.domain.deployment import Deployment, ModelServer

# What Dify puts around the retrieved chunks (its ``common_chat.json``, "context_prompt").
CONTEXT_FRAME = 140
# What the chat template adds: the roles of two messages, the generation prompt, an empty <think> block.
TEMPLATE = 20
# What a question may take. A longer one shortens the answer: Dify lowers max_tokens so that both fit.
QUESTION = 64
# <s> query </s></s> chunk </s>, the most that either kind of model adds.
SPECIAL = 4

_WORD = re.compile("[A-Za-z]+")
_LETTERS_PER_TOKEN = 4


def tokens(text: str) -> int:
    """About how many tokens Qwen3 makes of a text, rather too many than too few.

    Counted are one for each character beyond ASCII, one for four letters of a word, one for each digit,
    mark and line end. Qwen's vocabulary takes 1.5 to 1.8 Chinese characters for a token, three to four
    English letters, and every digit alone (QwenLM/Qwen, ``tokenization_note.md``). Measured with that
    vocabulary (qwen.tiktoken of dashscope 2.0.2, 150,000 characters of Chinese and English prose, notes,
    Markdown and Python) whole texts take 0.58 to 0.75 of this estimate; the worst 160 characters in a row
    took 1.12 of it. Rare characters can take two or three tokens each, which prose makes up for.
    """
    letters = sum(-(-len(word) // _LETTERS_PER_TOKEN) for word in _WORD.findall(text))
    others = sum(
        not character.isascii() or not (character.isalpha() or character == " ") for character in text
    )
    return letters + others


def chunk_tokens(size: int) -> int:
    """The most that a chunk of so many characters takes.

    One each: bge's and most rerankers' vocabularies have every common Chinese character as a token of its
    own, and no token is shorter than a character; Qwen3 takes fewer.
    """
    return size


def budget_problems(deployment: Deployment, prompt: str) -> list[str]:
    """What does not fit, one line each, with the numbers and what to lower.

    Args:
        prompt: the text of the bot's system prompt.
    """
    problems = []
    chat = deployment.servers.get("chat")
    if chat:
        problems += _chat_problems(deployment, chat, prompt)
    if deployment.dify.knowledge.folders:
        problems += _knowledge_problems(deployment)
    return problems


def _chat_problems(deployment: Deployment, chat: ModelServer, prompt: str) -> list[str]:
    bot, knowledge = deployment.dify.bot, deployment.dify.knowledge
    context = chat.settings.max_model_len
    question = max(QUESTION, tokens(bot.test_question), *map(tokens, bot.suggested_questions), 0)
    parts = {
        f"about {tokens(prompt)} for dify.bot.prompt = {bot.prompt!r}": tokens(prompt),
        f"{question} for a question": question,
        f"{TEMPLATE} for the chat template": TEMPLATE,
        f"{bot.max_tokens} for dify.bot.max_tokens": bot.max_tokens,
    }
    if knowledge.folders:
        size = chunk_tokens(knowledge.chunk_size)
        chunks = f"{knowledge.top_k} x {size} for dify.knowledge.top_k and .chunk_size"
        parts[f"{chunks} with Dify's frame of {CONTEXT_FRAME}"] = knowledge.top_k * size + CONTEXT_FRAME
    needed = sum(parts.values())
    if needed <= context:
        return []
    over = needed - context
    ways = [f"raise chat.max_model_len of {chat.host} to {needed}"]
    if bot.max_tokens - over >= QUESTION:
        ways.append(f"lower dify.bot.max_tokens to {bot.max_tokens - over}")
    if knowledge.folders:
        ways.append("lower dify.knowledge.top_k or .chunk_size")
    return [
        f"{deployment.dify_host}: a question takes up to {needed} tokens ({', '.join(parts)}), but "
        f"chat.max_model_len = {context}; {', '.join(ways)}, or shorten the prompt"
    ]


def _knowledge_problems(deployment: Deployment) -> list[str]:
    size = chunk_tokens(deployment.dify.knowledge.chunk_size)
    setting = f"{deployment.dify_host}: dify.knowledge.chunk_size = {size}"
    problems = []
    # The score model reads a chunk together with the question.
    for role, beside in (("embed", SPECIAL), ("score", SPECIAL + QUESTION)):
        server = next((s for s in deployment.servers.values() if s.role == role), None)
        if server is None:
            problems.append(
                f"{deployment.dify_host}: dify.knowledge.folders are searched with the {role} model, but no "
                f'host has the role {role}; add {role} = ["<host>"], or take the folders out'
            )
        elif size + beside > (limit := server.settings.max_model_len):
            problems.append(
                f"{setting} takes up to {size + beside} tokens of {role}.max_model_len = {limit}; lower "
                f"dify.knowledge.chunk_size to {limit - beside} or less"
            )
    return problems
