"""Whether two JSON values have the same shape: keys and types, all the way down.

The recorder shortened what is long: ``{"...": "trimmed"}`` stands for more keys, a last list item
``"... N more"`` for N items, ``"… trimmed"`` ends a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MORE_KEYS = "..."
MORE_ITEMS = re.compile(r"\.\.\. (\d+) more")


def differences(recorded: Any, live: Any, path: str = "") -> Iterator[str]:
    """Where the live value's shape departs from the recorded one's.

    Yields:
        ``path: what was recorded, what is there``; a path is as in ``.data[0].id``.
    """
    if isinstance(recorded, dict) and isinstance(live, dict):
        yield from _keys(recorded, live, path)
    elif isinstance(recorded, list) and isinstance(live, list):
        yield from _items(recorded, live, path)
    elif _kind(recorded) != _kind(live):
        yield f"{path}: {_kind(recorded)} was recorded, {_kind(live)} is there"


def _keys(recorded: dict[str, Any], live: dict[str, Any], path: str) -> Iterator[str]:
    for key, value in recorded.items():
        if key == MORE_KEYS:
            continue
        if key in live:
            yield from differences(value, live[key], f"{path}.{key}")
        else:
            yield f"{path}.{key}: missing"
    if MORE_KEYS not in recorded:
        yield from (f"{path}.{key}: was not recorded" for key in live if key not in recorded)


def _items(recorded: list[Any], live: list[Any], path: str) -> Iterator[str]:
    count, known = len(recorded), recorded
    trimmed = MORE_ITEMS.fullmatch(recorded[-1]) if recorded and isinstance(recorded[-1], str) else None
    if trimmed:
        known = recorded[:-1]
        count = len(known) + int(trimmed[1])
    if len(live) != count:
        yield f"{path}: {count} items were recorded, {len(live)} are there"
    for index, (before, now) in enumerate(zip(known, live, strict=False)):
        yield from differences(before, now, f"{path}[{index}]")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {"str": "text", "dict": "object", "list": "list"}[type(value).__name__]
