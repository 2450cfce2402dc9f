"""A model's folder on a host."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.model_files import MANIFEST, ModelFiles


class ModelFolder(FactBase[ModelFiles]):
    """Manifest, configuration and file sizes of a model's folder; empty when it is not there."""

    @staticmethod
    def default() -> ModelFiles:
        return ModelFiles()

    def command(self, path: str) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(path), "2>/dev/null || exit 0;",
            "find -L . -type f -printf 'size %s %P\\n';",
            # One line each, whatever the file's own layout: JSON has no newline that matters.
            f"for f in {MANIFEST} config.json; do",
            '[ -e "$f" ] && { printf "json %s " "$f"; tr -d "\\n" <"$f"; echo; }; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> ModelFiles:
        sizes: dict[str, int] = {}
        documents: dict[str, Any] = {}
        for line in output:
            kind, _, rest = line.partition(" ")
            first, _, rest = rest.partition(" ")
            if kind == "size":
                sizes[rest] = int(first)
            elif kind == "json":
                documents[first] = _json(rest)
        return ModelFiles(sizes, documents.get(MANIFEST), documents.get("config.json") or {})


def _json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None  # half written by a killed run: as good as not there
    return value if isinstance(value, dict) else None
