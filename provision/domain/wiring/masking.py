"""How Dify masks a secret when it is read back, and how we recognise a key all the same."""

from __future__ import annotations

import hashlib
import hmac
import re

HIDDEN = "***"
_LONGEST_MESSAGE = 800


def mask(secret: str) -> str:
    """What Dify shows of a stored secret (``api/core/helper/encrypter.py``, ``obfuscated_token``)."""
    if len(secret) <= 8:
        return "*" * 20
    return f"{secret[:6]}{'*' * 12}{secret[-2:]}"


def credential_name(api_key: str, salt: bytes) -> str:
    """A name for a credential which changes when the key does and does not betray it.

    The mask cannot tell keys apart that differ in the middle. The name of a credential is free (30
    characters at most, unique for the model) and not secret, so it carries a fingerprint.

    Args:
        api_key: the model endpoint's key; empty when it wants none.
        salt: secret bytes, kept with the keys; without them the fingerprint proves nothing about a key.
    """
    digest = hmac.new(salt, api_key.encode(), hashlib.sha256).hexdigest()
    return f"vllm-{digest[:8]}"


def is_credential_name(name: str) -> bool:
    """Whether a name has the form of `credential_name`; "vllm-prod" is an owner's own."""
    return re.fullmatch(r"vllm-[0-9a-f]{8}", name) is not None


def readable_message(message: str, secrets: frozenset[str]) -> str:
    """Make an answer of Dify fit to be shown: no secret in it, on one line, of bounded length.

    Dify's validation errors repeat the beginning and the end of the input (pydantic's ``input_value``),
    so that part goes as a whole; known secrets are replaced wherever else they appear, and so is what a URL
    (of a package mirror, for instance) carries before its host.
    """
    shown = re.sub(r"input_value=.*?, input_type=", f"input_value={HIDDEN}, input_type=", message, flags=re.S)
    for secret in sorted(secrets, key=len, reverse=True):
        shown = shown.replace(secret, HIDDEN)
    shown = re.sub(r"://[^/\s@]+@", f"://{HIDDEN}@", shown)
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST_MESSAGE else f"{shown[:_LONGEST_MESSAGE]}…"
