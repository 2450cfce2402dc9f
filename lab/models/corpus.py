"""The text that the tiny tokenizers are trained on."""

from __future__ import annotations

from pathlib import Path


def lines() -> list[str]:
    """Sentences of everyday and technical Chinese and English, one a string."""
    return Path(__file__).with_name("corpus.txt").read_text(encoding="utf-8").splitlines()
