"""What the worker takes out of a text, and off the beginning of its chunks.

Read from ``core/rag/cleaner/clean_processor.py`` and ``core/tools/utils/text_processing_utils.py`` of the
tags 1.3.1 to 1.16.1; where they differ is named below. Only addresses are taken out as 1.3.1 does it, always.
"""

from __future__ import annotations

import re

from .settings import Settings
from .store import Document

# A chunk that begins with a link keeps it, in newer versions.
LINK = re.compile(r"\[[^\]]+\]\(https?://[^)]+\)")
ASCII = r"\"#$%&'()*+,./:;<=>?@^_`~"
# The symbols that no chunk begins with, by the version that began with them.
LEADING = (
    ("1.14.0", rf"\u2000-\u2025\u2027-\u206f\u2e00-\u2e7f\u3000-\u300f\u3012-\u303f{ASCII}"),
    ("1.11.0", rf"\[\]\u2000-\u2025\u2027-\u206f\u2e00-\u2e7f\u3000-\u300f\u3011-\u303f{ASCII}"),
    ("1.3.1", rf"\u2000-\u206f\u2e00-\u2e7f\u3000-\u303f!{ASCII}"),
)
SPACES = r"[\t\f\r\x20\u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]{2,}"
IMAGE, ADDRESS = r"(?P<kept>!\[.*?\]\(https?://[^\s)]+\))", r"https?://[^\s)]+"


def cleaned(settings: Settings, text: str, rule: Document) -> str:
    """A text as its rule, and every rule, has it cleaned."""
    text = text.replace("<|", "<").replace("|>", ">")
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe]", "", text)
    if not settings.since("1.16.1"):  # the bytes of a byte order mark, taken for characters
        text = re.sub("[ï¿¾]", "", text)
    rules = (rule.get("rules") or {}).get("pre_processing_rules") or []
    wanted = {each["id"] for each in rules if each["enabled"]}
    if "remove_extra_spaces" in wanted or rule["mode"] == "automatic":
        text = re.sub(SPACES, " ", re.sub(r"\n{3,}", "\n\n", text))
    if "remove_urls_emails" in wanted:
        text = re.sub(r"[\w.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+", "", text)
        text = re.sub(f"{IMAGE}|{ADDRESS}", lambda found: found["kept"] or "", text)
    return text


def begun(settings: Settings, chunk: str) -> str:
    """A chunk without the symbols at its beginning (``paragraph_index_processor.py``)."""
    if settings.since("1.11.3") and LINK.match(chunk):
        return chunk.strip()
    symbols = next(each for version, each in LEADING if settings.since(version))
    return re.sub(f"^[{symbols}]+", "", chunk).strip()
