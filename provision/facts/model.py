"""A model's folder on a host, and where else the model may lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
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


class _Folders(FactBase[list[str]]):
    @staticmethod
    def default() -> list[str]:
        return []

    def process(self, output: list[str]) -> list[str]:
        return list(output)


class ModelRevisions(_Folders):
    """The folders whose paths begin as given: what there is of a model, in any revision."""

    def command(self, beginnings: Sequence[str]) -> StringCommand:
        patterns = [StringCommand(QuoteString(each), "*", _separator="") for each in beginnings]
        return StringCommand("for d in", *patterns, '; do [ -d "$d" ] && echo "$d"; done; true')


class ModelScopeCopies(_Folders):
    """Copies of a model in the caches of ModelScope's client, the login's own and ``$MODELSCOPE_CACHE``.

    The layouts are those that modelscope-hub 0.5.1 itself still looks for (``_find_legacy_repo_dir`` and
    ``_repo_cache_dir_path`` in ``_download.py``, ``scan_cache`` in ``_cache_manager.py``): one folder for
    each revision since client 1.38, before that one with the dots of the name written ``___``; below
    ``models`` or, older still, without it; in the default cache below ``hub``.
    """

    def command(self, model: str) -> StringCommand:
        owner, name = model.split("/")
        snapshots = QuoteString(f"models/{owner}--{name}/snapshots/")
        old = QuoteString(f"{owner}/{name.replace('.', '___')}")
        old_places = ("hub/models/", "models/", "hub/", "")
        return StringCommand(
            'for c in "${MODELSCOPE_CACHE:-}" ~/.cache/modelscope; do [ -n "$c" ] || continue; for d in',
            StringCommand('"$c"/', snapshots, "*", _separator=""),
            *(StringCommand(f'"$c"/{place}', old, _separator="") for place in old_places),
            '; do [ -d "$d" ] && echo "$d"; done; done; true',
        )  # fmt: skip


def _json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None  # half written by a killed run: as good as not there
    return value if isinstance(value, dict) else None
