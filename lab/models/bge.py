"""A tiny BERT with random weights in the files of a sentence-transformers embedding model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from transformers import BertConfig, BertModel, BertTokenizer

from lab.models import corpus

WIDTH = 64
"""Numbers in an embedding."""

_LONGEST_INPUT = 512

_MODULES = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}


def write(folder: Path) -> None:
    """Write model, tokenizer and the pooling's description into an existing folder."""
    vocabulary = _vocabulary()
    BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=_LONGEST_INPUT).save_pretrained(
        folder
    )
    # The real model's repository holds it; the tokenizer of today's transformers no longer writes it.
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,  # heads of 32, see qwen3.py
        max_position_embeddings=_LONGEST_INPUT,
        initializer_range=0.3,  # spreads the vectors of different texts apart
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    _write_pooling(folder)


def _vocabulary() -> dict[str, int]:
    """A WordPiece vocabulary: a token a Chinese character, as in the real model, and short pieces of words.

    Made without a trainer: those of `tokenizers` break ties at random, and a recipe should give the same
    files every time.
    """
    characters = sorted(set("".join(corpus.lines()).lower()) - {" "})
    pieces = [f"##{character}" for character in characters if character.isascii()]
    words = sorted({word for line in corpus.lines() for word in re.findall(r"[a-z]+", line.lower())})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *pieces, *words]
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


def _write_pooling(folder: Path) -> None:
    """Say, as sentence-transformers does, that the first token's vector, normalised, is the embedding."""
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(_MODULES.items())
    ]
    pooling = {
        "word_embedding_dimension": WIDTH,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    _write_json(
        folder / "sentence_bert_config.json", {"max_seq_length": _LONGEST_INPUT, "do_lower_case": True}
    )


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
