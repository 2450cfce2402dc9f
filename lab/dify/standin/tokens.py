"""Signed tokens (JSON Web Tokens, HS256: RFC 7519) and random ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import string
import time
from pathlib import Path
from typing import Any

LETTERS = string.ascii_letters + string.digits


def issue(key: str, claims: dict[str, Any]) -> str:
    """A token that says ``claims``; ``exp``, when there, is seconds since 1970."""
    head = _pack(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _pack(json.dumps(claims).encode())
    return f"{head}.{body}.{_sign(key, f'{head}.{body}')}"


def verify(key: str, token: str) -> dict[str, Any] | None:
    """The claims of a token that we signed and that has not expired; otherwise ``None``."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_sign(key, signed).encode(), signature.encode()):
        return None
    body = signed.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims if claims.get("exp", time.time() + 1) > time.time() else None


def random(length: int) -> str:
    """Letters and digits that nobody can guess."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def secret_key(configured: str, storage: Path) -> str:
    """The signing key: the configured one, else one that is generated once and kept in the storage folder.

    Source: since 1.14.1 an empty ``SECRET_KEY`` becomes the file ``.dify_secret_key`` there.
    """
    if configured:
        return configured
    kept = storage / ".dify_secret_key"
    if not storage.is_dir():
        return random(42)
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(random(42))
    return kept.read_text()


def _sign(key: str, text: str) -> str:
    return _pack(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
