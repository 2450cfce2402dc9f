"""Turn raw settings into checked ones, or into messages that a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from provision.domain.settings import NAMESPACES, Settings


class SettingsError(ValueError):
    """Settings that cannot be right. The message has one line a problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay mappings over each other, nested ones key by key; the later layer wins."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            both_mappings = isinstance(below, Mapping) and isinstance(value, Mapping)
            result[key] = merged(below, value) if both_mappings else value  # type: ignore[arg-type]
    return result


def parse(namespace: str, raw: object, *, where: str) -> Settings:
    """Check one namespace.

    Args:
        namespace: ``serving``, ``chat``, ``embed``, ``score`` or ``dify``.
        raw: the merged layers of that namespace.
        where: what the messages name, usually the host.

    Raises:
        SettingsError: with setting, value, what is allowed, and the nearest known name.
    """
    if not isinstance(raw, Mapping):
        raise SettingsError([f"{where}: {namespace} = {raw!r} is no group of settings; write {{...}}"])
    model = NAMESPACES[namespace]
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        raise SettingsError(list(_messages(error, model, namespace, where))) from None


def _messages(error: ValidationError, model: type[Settings], namespace: str, where: str) -> Iterator[str]:
    for item in error.errors(include_url=False):
        path = [str(part) for part in item["loc"]]
        setting = ".".join([namespace, *path])
        if item["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(path[-1], _names(model, path[:-1]), n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            yield f"{where}: {setting} is not a setting{hint}"
        else:
            allowed = item["msg"].removeprefix("Value error, ")
            # A whole object, or a URL with a password, may hold what is nobody's business.
            plain = isinstance(item["input"], str | int | float | None) and "password" not in allowed
            shown = f" = {item['input']!r}" if plain else ""
            yield f"{where}: {setting}{shown}: {allowed}"


def _names(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        nested = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            return []
        model = nested
    return list(model.model_fields)
