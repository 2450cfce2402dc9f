"""What happened to a ``.env``, fit to be shown: no value that could be a secret."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from provision.domain.env_merge import Change

HIDDEN = "…"

_SECRET_NAME = re.compile(
    r"KEY|SECRET|PASS|PWD|TOKEN|CREDENTIAL|AUTH|DSN|PRIVATE|SALT|COOKIE|LICEN[CS]E|CONNECTION", re.IGNORECASE
)
_HARMLESS = re.compile(r"['\"]?(true|false|)['\"]?", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w+/=-]{20,}", re.ASCII)


def shown(changes: Iterable[Change], private: Collection[str] = ()) -> list[str]:
    """One line for each change.

    Args:
        private: variables whose values are never shown, whatever they look like: those that an owner sets
            by hand, of which nobody else knows what they are.
    """
    return [_line(change, change.name in private) for change in changes]


def _line(change: Change, private: bool) -> str:
    name = change.name
    before = HIDDEN if private else masked(name, change.before)
    after = HIDDEN if private else masked(name, change.after)
    match change.reason:
        case "ours":
            return f"~ {name}: {before} → {after}" if change.before is not None else f"+ {name}={after}"
        case "new":
            return f"+ {name}={after} (new in Dify)"
        case "followed":
            return f"~ {name}: {before} → {after} (Dify's default, which you had)"
        case "kept":
            return f"= {name}: yours stays; Dify's default is {after} now"
        case "removed":
            return f"- {name}: no longer known to Dify, kept as a comment"


def masked(name: str, raw: str | None) -> str:
    """A value as written, or :data:`HIDDEN` where it could be a secret; sign-ins in URLs are taken out."""
    if raw is None:
        return "unset"
    if _HARMLESS.fullmatch(raw):
        return raw or "empty"
    if _SECRET_NAME.search(name) or _RANDOM.fullmatch(raw.strip("'\"")):
        return HIDDEN
    without_sign_in = re.sub(r"://\S*@", f"://{HIDDEN}@", raw)
    return re.sub(r"\?.*", f"?{HIDDEN}", without_sign_in, flags=re.DOTALL)
