"""A good answer of Dify's, and readers of it that tell an unexpected shape as what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from provision.dify.errors import DifyError

T = TypeVar("T")


def oldest_first(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What has ``created_at``, in whole seconds, and ``id``: always in the same order, which Dify's lists of
    keys are not (``controllers/console/apikey.py``)."""
    return sorted(items, key=lambda item: (item.get("created_at") or 0, str(item["id"])))


class Reply:
    """A good answer. Its readers, and the objects in it, raise `DifyError` when it has another shape than
    expected: a `KeyError` would end the run for every host."""

    def __init__(self, step: str, request: str, response: httpx.Response) -> None:
        self.status = response.status_code
        # Read from the headers: httpx's jar drops what is set for another domain (COOKIE_DOMAIN), which the
        # server's name here, the loopback of a relay, never is part of.
        self.cookies = dict(map(_cookie, response.headers.get_list("set-cookie")))
        self._step = step
        self._request = request
        self._parsed = _parsed(response, lambda pairs: _Object(pairs, self._unexpected))

    def get(self, key: str, kind: type[T]) -> T:
        """The member `key`, which must be of type `kind`."""
        value = self.body.get(key)
        if not isinstance(value, kind):
            raise self._unexpected(f"{key!r} is {type(value).__name__} instead of {kind.__name__}")
        return value

    def optional(self, key: str, kind: type[T]) -> T | None:
        """Like `get`; None when the member is missing or null."""
        return None if self.body.get(key) is None else self.get(key, kind)

    def objects(self, key: str) -> list[dict[str, Any]]:
        """The member `key`, which must be a list of objects."""
        value = self.get(key, list)
        if not all(isinstance(item, dict) for item in value):
            raise self._unexpected(f"{key!r} has members that are no objects")
        return value

    @property
    def body(self) -> dict[str, Any]:
        """The whole answer, which must be a JSON object."""
        if not isinstance(self._parsed, dict):
            raise self._unexpected("it is no JSON object")
        return self._parsed

    @property
    def items(self) -> list[dict[str, Any]]:
        """The whole answer, which must be a JSON list of objects."""
        if not isinstance(self._parsed, list) or not all(isinstance(item, dict) for item in self._parsed):
            raise self._unexpected("it is no JSON list")
        return self._parsed

    def _unexpected(self, what: str) -> DifyError:
        return DifyError(
            self._step,
            f"{self._request} answered {self.status}, but {what}",
            "is another program listening on Dify's port, or is this Dify newer than this tool knows?",
            status=self.status,
        )


class _Object(dict[str, Any]):
    """A JSON object of an answer, at any depth; a member that it lacks is told as such."""

    def __init__(self, pairs: list[tuple[str, Any]], unexpected: Callable[[str], DifyError]) -> None:
        super().__init__(pairs)
        self._unexpected = unexpected

    def __missing__(self, key: str) -> Any:
        raise self._unexpected(f"an object in it has no {key!r}")


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """The answer as a JSON object; None when it is anything else (a proxy's page, a list, nothing)."""
    body = _parsed(response, dict)
    return body if isinstance(body, dict) else None


def _parsed(response: httpx.Response, objects: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> Any:
    """The answer's JSON, its objects made so; None when it is none."""
    try:
        return json.loads(response.content, object_pairs_hook=objects)
    except ValueError:
        return None


def _cookie(header: str) -> tuple[str, str]:
    """Name and value of a ``Set-Cookie`` header."""
    name, _, value = header.partition(";")[0].partition("=")
    return name.strip(), value.strip()
