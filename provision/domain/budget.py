"""Will a conversation fit? Prompt, retrieved chunks and answers against what the models can read."""

from __future__ import annotations

import re

from provision.domain.deployment import Deployment, ModelServer

# What Dify puts around the retrieved chunks (its ``common_chat.json``, "context_prompt").
CONTEXT_FRAME = 140
# What is counted for the messages beside their texts, and what the chat template makes of them.
TEMPLATE = 20
# What a question may take. A longer one shortens the answer: Dify lowers max_tokens so that both fit.
QUESTION = 64
# What is left for an answer after the longest one possible, unless max_tokens is less.
ANSWER = 128
# <s> query </s></s> chunk </s>, the most that either kind of model adds.
SPECIAL = 4

_WORD = re.compile("[A-Za-z]+")
_LETTERS_PER_TOKEN = 4
# Of GPT-2's vocabulary, in quarters, for a character beyond ASCII.
_QUARTERS = 9
# GPT-2's tokens for one of Qwen's, in text that is beyond ASCII.
_PER_TOKEN = 3


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


def counted(text: str) -> int:
    """About how many tokens Dify counts for a text, rather too many than too few.

    Dify prunes a conversation, and lowers ``max_tokens``, so that its own count just fits the model's context
    (``core/prompt/prompt_transform.py``, ``core/app/apps/base_app_runner.py``); for that it has to count, see
    `provision.domain.dify_env.COUNTING`. It counts with GPT-2's vocabulary (langgenius/dify-plugin-sdks,
    ``openai_compatible/llm.py``), which takes more tokens than Qwen3's for Chinese (3) and Markdown (1.1 to
    1.4 in windows of 2,400 characters), as many for plain English sentences, and fewer for figures (0.6).
    Chinese prose takes 2 to 2.1 tokens for a character, full-width marks up to 3.
    """
    others = sum(not character.isascii() for character in text)
    return tokens("".join(filter(str.isascii, text))) + _beyond_ascii(others)


def _beyond_ascii(characters: int) -> int:
    return -(-characters * _QUARTERS // 4)


def _is_wide(text: str) -> bool:
    """Whether a text's language is one that GPT-2 knows no words of."""
    return 10 * sum(not character.isascii() for character in text) > len(text)


def chunk_tokens(size: int) -> int:
    """The most that a chunk of so many characters takes of the models that read chunks.

    One each: bge's and most rerankers' vocabularies have every common Chinese character as a token of its
    own, and no token is shorter than a character.
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
    """What a turn takes as Dify counts it, whose pruning always leaves the last answer in the history.

    Where that does not fit, Dify asks for an answer of 16 tokens. Chunks and answers are taken to be in the
    prompt's language.
    """
    bot, knowledge = deployment.dify.bot, deployment.dify.knowledge
    context = chat.settings.max_model_len
    wide = _is_wide(prompt)
    question = max(QUESTION, counted(bot.test_question), *map(counted, bot.suggested_questions), 0)
    parts = {
        f"about {counted(prompt)} for dify.bot.prompt = {bot.prompt!r}": counted(prompt),
        f"{question} for a question": question,
        f"{TEMPLATE} around the messages": TEMPLATE,
    }
    if knowledge.folders:
        size = _beyond_ascii(knowledge.chunk_size) if wide else knowledge.chunk_size
        chunks = f"{knowledge.top_k} x {size} for dify.knowledge.top_k and .chunk_size"
        parts[f"{chunks} with Dify's frame of {CONTEXT_FRAME}"] = knowledge.top_k * size + CONTEXT_FRAME
    fixed, rate = sum(parts.values()), _PER_TOKEN if wide else 1
    last, answer = bot.max_tokens * rate, min(bot.max_tokens, ANSWER)
    parts[f"{last} for the answer before, with dify.bot.max_tokens = {bot.max_tokens}"] = last
    parts[f"{answer} for the answer"] = answer
    if (needed := fixed + last + answer) <= context:
        return []
    ways = [f"raise chat.max_model_len of {chat.host} to {needed}"]
    if shorter := _shorter(context - fixed, rate):
        ways.append(f"lower dify.bot.max_tokens to {shorter}")
    if knowledge.folders:
        ways.append("lower dify.knowledge.top_k or .chunk_size")
    return [
        f"{deployment.dify_host}: a conversation takes up to {needed} tokens as Dify counts them "
        f"({', '.join(parts)}), but chat.max_model_len = {context}; {', '.join(ways)}, or shorten the prompt"
    ]


def _shorter(room: int, rate: int) -> int | None:
    """The longest answer that fits as the last one, with the next one; None when that is next to nothing."""
    longest = max((room - ANSWER) // rate, min(room // (rate + 1), ANSWER))
    return longest if longest >= QUESTION else None


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
