"""Dify's datasets: found and changed through the console, their documents through the service API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from provision.dify.errors import DifyError
from provision.dify.reply import Reply, oldest_first
from provision.dify.session import Session
from provision.dify.transport import Transport
from provision.domain.knowledge import SEPARATOR, Document, StoredDocument

# The most that Dify allows a page.
_PAGE = 100
# Datasets share their keys; those of single datasets, which are in the same list, begin with ``ds-``.
_KEY_PREFIX = "dataset-"
# Seconds. Embedding the question and ranking what was found, on a CPU perhaps.
_SEARCH_TIMEOUT = 120.0
_TAKEN_ADVICE = (
    "a dataset of this name exists that the administrator's account cannot see (only the workspace's owner "
    "sees all): have it renamed in Dify's console, or rename the folder of dify.knowledge"
)


@dataclass(frozen=True)
class Dataset:
    """One dataset as a list shows it."""

    id: str
    name: str
    description: str
    permission: str
    indexing_technique: str | None
    embedding_model: str | None
    embedding_model_provider: str | None
    document_count: int
    retrieval: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Indexed:
    """How far documents are.

    Args:
        chunks: that are indexed.
        known: chunks, by now.
        finished: nothing more will come.
    """

    chunks: int = 0
    known: int = 0
    finished: bool = False


@dataclass(frozen=True)
class Chunk:
    """A part of a document that a search found."""

    document: str
    content: str
    score: float


class Datasets:
    """The workspace's datasets, by their exact names, which Dify keeps unique."""

    def __init__(self, transport: Transport, session: Session) -> None:
        self._transport = transport
        self._session = session
        self._key: str | None = None

    def find(self, name: str) -> Dataset | None:
        """The dataset of exactly this name.

        A list leaves out what other accounts made for themselves alone, even where the workspace's owner
        asks, unless for all; whether a name is free is looked up among all of them
        (``services/dataset_service.py``, 1.3.1 to 1.16.1).
        """
        step = f"Find the dataset {name}"
        query = {"page": "1", "limit": str(_PAGE), "keyword": name, "include_all": "true"}
        for page in self._pages(step, "datasets", query):
            for item in page.get("data", list):
                if item.get("name") == name:
                    return _dataset(item)
        return None

    def require(self, name: str) -> Dataset:
        """Like `find`, but a missing dataset is an error."""
        dataset = self.find(name)
        if dataset is None:
            raise DifyError(f"Find the dataset {name}", "there is none of this name", "index it first")
        return dataset

    def description(self, dataset_id: str) -> str | None:
        """What a dataset says about itself; None when it is gone.

        Nothing when it is somebody's own and not shown to this administrator (403, unless the workspace is
        theirs; ``DatasetService.check_dataset_permission``).
        """
        try:
            reply = self._session.send("Read the dataset", "GET", f"datasets/{dataset_id}", repeatable=True)
        except DifyError as error:
            if error.status == 404:
                return None
            if error.status == 403:
                return ""
            raise
        return reply.optional("description", str) or ""

    def create(self, step: str, name: str, description: str) -> Dataset:
        """Make one with the workspace's default embedding model; `change` does the rest.

        Up to 1.8.1 Dify refuses any reranking model at this point.
        """
        body = {
            "name": name,
            "description": description,
            "indexing_technique": "high_quality",
            "permission": "only_me",
        }
        try:
            self._session.send(step, "POST", "datasets", body=body)
        except DifyError as error:
            if error.status == HTTPStatus.CONFLICT:
                raise error.advised(_TAKEN_ADVICE) from None
            raise
        return self.require(name)

    def change(self, step: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Change the settings; name and permission, which have to be sent along, stay."""
        body = {"name": dataset.name, "permission": dataset.permission, **settings}
        self._session.send(step, "PATCH", f"datasets/{dataset.id}", body=body)

    def keys(self) -> list[str]:
        """The keys to all datasets, the oldest first."""
        reply = self._session.send(
            "Read the API keys of datasets", "GET", "datasets/api-keys", repeatable=True
        )
        tokens = [str(item["token"]) for item in oldest_first(reply.objects("data"))]
        keys = [token for token in tokens if token.startswith(_KEY_PREFIX)]
        self._transport.hide(*keys)
        return keys

    def create_key(self, step: str) -> None:
        """Make another key; nobody is told."""
        reply = self._session.send(step, "POST", "datasets/api-keys")
        self._transport.hide(reply.get("token", str))

    def documents(self, dataset: Dataset) -> list[StoredDocument]:
        """Everything in a dataset."""
        step = f"List the documents of {dataset.name}"
        found = []
        page = 1
        while True:
            reply = self._service(
                step,
                "GET",
                f"{dataset.id}/documents",
                query={"page": str(page), "limit": str(_PAGE)},
                repeatable=True,
            )
            found += [_stored(item) for item in reply.get("data", list)]
            if not reply.optional("has_more", bool):
                return found
            page += 1

    def add(self, step: str, dataset: Dataset, document: Document, size: int) -> str:
        """Send a document, which is then indexed; returns its batch, by which that is followed.

        Dify cuts it where we did. Its ``max_tokens`` counts characters in every version
        (``fixed_text_splitter.py``). Without a rule 1.10.1 and older answer 500.

        Args:
            size: characters of a chunk at most.
        """
        cleaning = (("remove_extra_spaces", True), ("remove_urls_emails", False))
        rules = {
            "pre_processing_rules": [{"id": rule, "enabled": enabled} for rule, enabled in cleaning],
            "segmentation": {"separator": SEPARATOR, "max_tokens": size, "chunk_overlap": 0},
        }
        body = {
            "name": document.name,
            "text": document.text,
            "indexing_technique": "high_quality",
            "doc_form": "text_model",
            "process_rule": {"mode": "custom", "rules": rules},
        }
        path = f"{dataset.id}/document/create-by-text"
        return self._service(step, "POST", path, body=body).get("batch", str)

    def indexed(self, step: str, dataset: Dataset, batch: str) -> Indexed:
        """How far a batch is."""
        path = f"{dataset.id}/documents/{batch}/indexing-status"
        items = self._service(step, "GET", path, repeatable=True).objects("data")
        return Indexed(
            sum(int(item.get("completed_segments") or 0) for item in items),
            sum(int(item.get("total_segments") or 0) for item in items),
            all(item.get("indexing_status") == "completed" for item in items),
        )

    def indexed_of(self, step: str, dataset: Dataset, document: StoredDocument) -> int:
        """Chunks of a document that are indexed, whoever sent it."""
        path = f"datasets/{dataset.id}/documents/{document.id}/indexing-status"
        return self._session.send(step, "GET", path, repeatable=True).get("completed_segments", int)

    def remove(self, step: str, dataset: Dataset, document: StoredDocument) -> None:
        """Delete a document; one that is gone already is fine."""
        try:
            self._service(step, "DELETE", f"{dataset.id}/documents/{document.id}")
        except DifyError as error:
            if error.status != 404:
                raise

    def search(self, name: str, query: str) -> list[Chunk]:
        """What this dataset finds, the best first, with its own settings.

        Args:
            query: 250 characters at most.
        """
        step = f"Search the dataset {name}"
        path = f"{self.require(name).id}/retrieve"
        reply = self._service(step, "POST", path, body={"query": query}, read_timeout=_SEARCH_TIMEOUT)
        return [_chunk(record) for record in reply.get("records", list)]

    def _pages(self, step: str, path: str, query: Mapping[str, str]) -> Iterator[Reply]:
        page = 1
        while True:
            reply = self._session.send(step, "GET", path, query={**query, "page": str(page)}, repeatable=True)
            yield reply
            if not reply.optional("has_more", bool):
                return
            page += 1

    def _service(self, step: str, method: str, path: str, **options: Any) -> Reply:
        if self._key is None:
            keys = self.keys()
            if not keys:
                raise DifyError(step, "there is no API key for datasets", "create one first")
            self._key = keys[0]
        headers = {"Authorization": f"Bearer {self._key}"}
        return self._transport.send(step, method, f"v1/datasets/{path}", headers=headers, **options)


def _dataset(item: Mapping[str, Any]) -> Dataset:
    return Dataset(
        id=str(item["id"]),
        name=str(item["name"]),
        description=str(item.get("description") or ""),
        permission=str(item.get("permission") or "only_me"),
        indexing_technique=item.get("indexing_technique"),
        embedding_model=item.get("embedding_model"),
        embedding_model_provider=item.get("embedding_model_provider"),
        document_count=int(item.get("document_count") or 0),
        retrieval=item.get("retrieval_model_dict") or {},
    )


def _stored(item: Mapping[str, Any]) -> StoredDocument:
    return StoredDocument(
        id=str(item["id"]),
        name=str(item["name"]),
        status=str(item.get("indexing_status")),
        enabled=bool(item.get("enabled", True)),
        archived=bool(item.get("archived")),
        error=str(item.get("error") or ""),
    )


def _chunk(record: Mapping[str, Any]) -> Chunk:
    segment = record.get("segment") or {}
    document = segment.get("document") or {}
    return Chunk(
        str(document.get("name")), str(segment.get("content") or ""), float(record.get("score") or 0)
    )
