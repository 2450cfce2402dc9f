"""The worker's work: documents that wait are cleaned, cut, embedded (``core/indexing_runner.py``)."""

from __future__ import annotations

import codecs
import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator

from . import cleaning, dataset_store, model_store, prompts
from .call import now
from .context import Site
from .daemon.failures import DaemonError, DaemonUnreachableError
from .settings import Settings
from .store import Document

log = logging.getLogger("standin")
PAUSE_SECONDS = 0.2
SHORTEST, LONGEST = 50, 4000  # INDEXING_MAX_SEGMENTATION_TOKENS_LENGTH
SEPARATORS = ("\n\n", "。", ". ", " ", "")
AUTOMATIC = {"separator": "\n", "max_tokens": 500, "chunk_overlap": 50}


class IndexingError(Exception):
    """Why a document has the status "error"."""


def in_background(site: Site) -> None:
    """Work in a thread of this process, where there is no worker of its own."""
    threading.Thread(target=_work_on, args=(site,), daemon=True).start()


def work(site: Site) -> None:
    """Index what has waited long enough."""
    for document in site.store.all("document"):
        if document["status"] == "waiting" and time.time() >= document["at"] + site.settings.index_seconds:
            _index(site, document)


def _work_on(site: Site) -> None:
    while True:
        try:
            work(site)
        except Exception:
            log.exception("indexing failed")
        time.sleep(PAUSE_SECONDS)


def _index(site: Site, document: Document) -> None:
    document |= {"status": "indexing", "started_at": now()}
    site.store.put("document", document["id"], document)
    try:
        words, tokens = _chunked(site, document)
    except (IndexingError, DaemonError, DaemonUnreachableError) as failure:
        document |= {"status": "error", "error": str(failure)}
    else:
        document |= {"status": "completed", "completed_at": now(), "error": None}
        document |= {"word_count": words, "tokens": tokens}
    if site.store.get("document", document["id"]) is None:  # deleted meanwhile
        dataset_store.remove_document(site, document)
    else:
        site.store.put("document", document["id"], document)


def _chunked(site: Site, document: Document) -> tuple[int, int]:
    """Store the chunks with their vectors in the place of older ones; returns characters and tokens."""
    for chunk in dataset_store.chunks(site, document["id"]):
        site.store.delete("chunk", chunk["id"])
    dataset = site.store.get("dataset", document["dataset_id"])
    credential = model_store.current(site, "text-embedding", dataset["embedding_model"]) if dataset else None
    if dataset is None or credential is None:
        model = dataset and dataset["embedding_model"]
        raise IndexingError(f"Model {model} credentials is not initialized.")
    words = tokens = 0
    for position, content in enumerate(split(site.settings, document["text"], document["rule"]), 1):
        # The plugin says that its models take one text at a time, whatever max_chunks is.
        [vector] = site.daemon.embed(
            site.tenant_id(), dataset["embedding_model"], credential["values"], [content]
        )
        chunk = {
            "id": str(uuid.uuid4()),
            "document_id": document["id"],
            "dataset_id": document["dataset_id"],
            "position": position,
            "content": content,
            "tokens": prompts.text_tokens(content),
            "node_id": str(uuid.uuid4()),
            "hash": hashlib.sha256(f"{content}None".encode()).hexdigest(),
            "vector": vector,
            "created_at": now(),
        }
        site.store.put("chunk", chunk["id"], chunk)
        words += len(content)
        tokens += chunk["tokens"]
    return words, tokens


def split(settings: Settings, text: str, rule: Document) -> list[str]:
    """A text cut as a rule says (``fixed_text_splitter.py``): lengths are characters.

    Raises:
        IndexingError: the rule's chunks are too short or too long.
    """
    custom = rule["mode"] == "custom"
    segmentation = rule["rules"]["segmentation"] if custom else AUTOMATIC
    size = int(segmentation["max_tokens"])
    if not SHORTEST <= size <= LONGEST:
        raise IndexingError(f"Custom segment length should be between {SHORTEST} and {LONGEST}.")
    separator = codecs.decode(segmentation["separator"].replace("\\n", "\n"), "unicode_escape")
    text = cleaning.cleaned(settings, text, rule)
    parts = text.split(separator) if custom else [text]
    found = (piece for part in parts for piece in _pieces(part, size, SEPARATORS))
    return [chunk for piece in found if piece.strip() and (chunk := cleaning.begun(settings, piece))]


def _pieces(text: str, size: int, separators: tuple[str, ...]) -> Iterator[str]:
    if len(text) <= size:
        yield text
        return
    used = next(index for index, each in enumerate(separators) if not each or each in text)
    separator, rest = separators[used], separators[used + 1 :]
    if not separator:
        yield from (text[start : start + size] for start in range(0, len(text), size))
        return
    gathered = ""
    for part in filter(None, text.split(separator)):
        joined = f"{gathered}{separator}{part}" if gathered else part
        if len(joined) <= size:
            gathered = joined
            continue
        if gathered:
            yield gathered
        gathered = ""
        if len(part) > size:
            yield from _pieces(part, size, rest)
        else:
            gathered = part
    if gathered:
        yield gathered
