"""A tiny XLM-RoBERTa cross-encoder with random weights: two texts in, one score out."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

from lab.models import corpus

_LONGEST_INPUT = 512
_LONGEST_PIECE = 4
_ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def write(folder: Path) -> None:
    """Write model and tokenizer into an existing folder."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,  # heads of 32, see qwen3.py
        max_position_embeddings=_LONGEST_INPUT
        + 2,  # positions start behind the padding's id, as in the real one
        initializer_range=0.3,  # spreads the scores of different pairs apart
        type_vocab_size=1,
        num_labels=1,  # one score, not classes: what makes it a reranker
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        layer_norm_eps=1e-5,
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    """A Unigram tokenizer with XLM-RoBERTa's special tokens and its way of joining a pair."""
    unigram = Tokenizer(models.Unigram(_vocabulary(), unk_id=_SPECIAL.index("<unk>")))
    unigram.normalizer = normalizers.NFKC()
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.add_special_tokens([*_SPECIAL, "<mask>"])
    unigram.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, _SPECIAL.index(token)) for token in ("<s>", "</s>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=unigram,
        **_ROLES,
        model_max_length=_LONGEST_INPUT,
    )


def _vocabulary() -> list[tuple[str, float]]:
    """Pieces and their log probabilities: the corpus' characters, and what is repeated in it.

    Made without a trainer, for the reason given in bge.py.
    """
    counts = Counter(
        line[start : start + length]
        for line in (text.replace(" ", "▁") for text in corpus.lines())
        for length in range(1, _LONGEST_PIECE + 1)
        for start in range(len(line) - length + 1)
    )
    total = counts.total()
    pieces = [(piece, n) for piece, n in sorted(counts.items()) if len(piece) == 1 or n > 1]
    return [*((token, 0.0) for token in _SPECIAL), *((piece, math.log(n / total)) for piece, n in pieces)]
