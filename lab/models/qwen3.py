"""A tiny Qwen3 with random weights, whose answers still read as Chinese words and end at a full stop.

Plain random weights would answer with broken bytes until the context is full, which makes a poor demo and
slow tests. So two of the hidden dimensions are not random: one is alike for every token and serves as the
bias that keeps all but Chinese words out of an answer; the other marks the full stop, after which the model
ends its turn. An answer is therefore never empty, and seldom longer than a few dozen tokens.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from lab.models import corpus

_END_OF_TEXT, _TURN_START, _TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_FULL_STOP = "。"

# The part of Qwen3's chat format that a conversation without tools uses: ChatML turns, and the empty
# thought that stands in the prompt when thinking is switched off.
_CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking -%}
<think>

</think>

{% endif -%}
{%- endif -%}
"""

# 12 bytes are four Chinese characters: without a limit whole sentences would become one token.
_LONGEST_TOKEN_BYTES = 12

# The two dimensions that are not random, and the weights that make them outweigh those that are.
_BIAS, _STOP = 0, 1
_BIAS_INPUT, _STOP_INPUT = 4.0, 8.0
_NEVER, _OFTEN, _END_AFTER_STOP = -5.0, 0.8, 6.0


def write(folder: Path) -> None:
    """Write model, tokenizer and generation settings into an existing folder."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    end, pad = tokenizer.convert_tokens_to_ids([_TURN_END, _END_OF_TEXT])
    config = Qwen3Config(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,  # vLLM's attention on a CPU refuses 16, and only at the first request
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        max_position_embeddings=40960,  # the real model's: it is what makes --max-model-len necessary
        initializer_range=0.1,  # enough for the answer to depend on the whole prompt
        tie_word_embeddings=False,
        bos_token_id=pad,
        eos_token_id=end,
        pad_token_id=pad,
    )
    model = Qwen3ForCausalLM(config)
    _steer(model, tokenizer)
    model.to(torch.bfloat16).save_pretrained(folder)
    # Sampling as Qwen3 recommends it, and as vLLM applies it to requests that say nothing.
    GenerationConfig(
        bos_token_id=pad,
        eos_token_id=[end, pad],
        pad_token_id=pad,
        do_sample=True,
        temperature=0.6,
        top_k=20,
        top_p=0.95,
    ).save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE as Qwen's: what it has no word for falls back to bytes, so nothing is unknown."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=[_END_OF_TEXT, _TURN_START, _TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=_LONGEST_TOKEN_BYTES,
        show_progress=False,
    )
    bpe.train_from_iterator(corpus.lines(), trainer)
    bpe.add_tokens(["<think>", "</think>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=_TURN_END,
        pad_token=_END_OF_TEXT,
        model_max_length=131072,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = _CHAT_TEMPLATE
    return fast


def _steer(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Set the two dimensions that the module's docstring speaks of."""
    words = [token for token in range(len(tokenizer)) if _is_chinese(tokenizer.decode([token]))]
    (stop,) = tokenizer.encode(_FULL_STOP, add_special_tokens=False)
    end = tokenizer.convert_tokens_to_ids(_TURN_END)
    with torch.no_grad():
        reads = model.get_input_embeddings().weight
        reads.normal_(std=1.0)
        reads[:, _BIAS] = _BIAS_INPUT
        reads[:, _STOP] = 0.0
        reads[stop, _STOP] = _STOP_INPUT
        writes = model.get_output_embeddings().weight
        writes.normal_(std=0.15)
        writes[:, _BIAS] = _NEVER
        writes[words, _BIAS] = 0.0
        writes[stop, _BIAS] = _OFTEN
        writes[:, _STOP] = 0.0
        writes[end, _STOP] = _END_AFTER_STOP


def _is_chinese(text: str) -> bool:
    """Whether a token is whole Chinese characters or the punctuation between them, and no broken bytes."""
    return bool(text) and all(
        "\u4e00" <= character <= "\u9fff" or character in "，。、" for character in text
    )
