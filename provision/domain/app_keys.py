"""API keys of the bot: how a person names one, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from provision.domain.wiring.masking import mask

# Characters of its id that name a key: the first group of a UUID and its dash. Without the dash pyinfra would
# take `--data revoke=12345678` and `1e234567` for numbers.
SHORT = 9


class Key(Protocol):
    """What Dify tells about a key; times are seconds since 1970."""

    @property
    def id(self) -> str: ...

    @property
    def token(self) -> str: ...

    @property
    def created_at(self) -> int: ...

    @property
    def last_used_at(self) -> int | None: ...


def short(key: Key) -> str:
    """The name of a key: Dify gives it none."""
    return key.id[:SHORT]


def table(keys: Sequence[Key]) -> list[str]:
    """One line a key, without what would let anybody in. The first one is what the deploy hands over."""
    return [
        f"{short(key)}  {mask(key.token)}  made {_day(key.created_at)}, "
        + (f"last used {_day(key.last_used_at)}" if key.last_used_at else "not used yet")
        + (", handed over" if index == 0 else "")
        for index, key in enumerate(keys)
    ]


def named(keys: Sequence[Key], name: str) -> int | None:
    """Which key a name (the beginning of an id) means; None when there is none.

    Raises:
        ValueError: it means several.
    """
    found = [index for index, key in enumerate(keys) if key.id.startswith(name)]
    if len(found) > 1:
        raise ValueError(f"{name} begins the ids of {len(found)} keys; give more of it")
    return found[0] if found else None


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
