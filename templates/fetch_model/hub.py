"""What the hub says a model consists of."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from fetch_model import FetchError
from fetch_model.folder import OWN_FILES, ModelFile

# The hub silently lists no more entries than this (modelscope-hub 0.5.1, REPO_FILES_TRUNCATION_LIMIT).
LISTING_LIMIT = 3000
ATTEMPTS = 3
PAUSE_SECONDS = 2


@dataclass(frozen=True)
class Listing:
    """A model at one revision.

    Attributes:
        commit: what the revision stands for, shortened where the hub shortens it; ``None`` when it does not
            say.
    """

    files: list[ModelFile]
    commit: str | None


def listing(endpoint: str, model: str, revision: str, timeout: float) -> Listing:
    """Ask the hub what the model consists of.

    Args:
        timeout: seconds without a byte after which the hub counts as silent.

    Raises:
        FetchError: the hub cannot be reached, has no such model, or answers something else.
    """
    query = urlencode({"Revision": revision, "Recursive": "True"})
    url = f"{endpoint}/api/v1/models/{model}/repo/files?{query}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310
                return parse_listing(json.load(answer))
        except TimeoutError as error:
            raise FetchError(f"{endpoint} said nothing for {timeout:g} s; run again") from error
        except (OSError, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == 404:
                raise FetchError(
                    f"{endpoint} has no model {model} at {revision}; check both names"
                ) from error
            if attempt == ATTEMPTS:
                raise FetchError(
                    f"{endpoint} gave no listing of {model} ({error}); check --endpoint, network and proxy"
                ) from error
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("unreachable")


def parse_listing(answer: Any) -> Listing:
    """Read the hub's answer to the listing of a repository's files.

    Raises:
        FetchError: the answer is no such listing, is cut short, or names a file that could not be verified
            or would be written outside the folder.
    """
    try:
        entries = answer["Data"]["Files"]
        files = [
            ModelFile(entry["Path"], int(entry["Size"]), str(entry["Sha256"]).lower())
            for entry in entries
            if entry["Type"] != "tree"
        ]
        # Its "Id" was seen empty, with the commit's first digits in "ShortId".
        latest = answer["Data"].get("LatestCommitter") or {}
        commit = latest.get("Id") or latest.get("ShortId") or None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FetchError(
            "the hub's listing has an unknown form; is the endpoint a ModelScope hub?"
        ) from error
    if len(entries) >= LISTING_LIMIT:
        raise FetchError(
            f"the hub lists only {LISTING_LIMIT} entries of this model, so it cannot be verified"
        )
    if not files:
        raise FetchError("the hub lists no files for this model; check its name and revision")
    for file in files:
        _refuse_unsafe(file)
    return Listing(files, commit)


def _refuse_unsafe(file: ModelFile) -> None:
    parts = PurePosixPath(file.path).parts
    if not parts or parts[0] == "/" or ".." in parts or file.path in OWN_FILES:
        raise FetchError(f"the hub lists a file with the unsafe name {file.path!r}; do not use this model")
    if file.size < 0 or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
        raise FetchError(f"the hub lists {file.path} without size or SHA-256, so it cannot be verified")
