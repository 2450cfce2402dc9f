"""What a chatbot knows: a dataset of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.dify.client import Dify
from provision.dify.datasets import Dataset, Indexed
from provision.dify.errors import DifyError
from provision.dify.resources.base import PROVIDER
from provision.domain.knowledge import Document, DocumentPlan, StoredDocument, plan_documents
from provision.domain.wiring.retrieval import MARK, Retrieval, mapping_differences

# Seconds between two looks at documents that are being indexed.
_POLL_PAUSE = 2.0
_WORKER_ADVICE = "Dify's worker container indexes: see docker compose ps and docker compose logs worker"
_INDEX_ADVICE = (
    "the texts are sent to the embedding model by Dify's plugin_daemon; see docker compose logs worker "
    "plugin_daemon, and run again"
)


@dataclass
class DatasetKey:
    """At least one API key for datasets; one opens all of them.

    Dify's documents are reached by it. Keys can always be read again, so one is made only when there is none.
    """

    dify: Dify = field(repr=False)

    @property
    def title(self) -> str:
        return "Create an API key for datasets"

    def difference(self) -> str | None:
        return None if self.dify.datasets.keys() else "there is no API key for datasets"

    def apply(self) -> None:
        if self.difference() is None:
            return
        self.dify.datasets.create_key(self.title)
        if difference := self.difference():
            raise DifyError(self.title, f"Dify accepted it, but {difference}")


@dataclass
class Knowledge:
    """A dataset of this exact name with these documents, all of them indexed.

    Documents that this tool made are managed; others in the same dataset are left alone.

    Args:
        chunk_size: characters of a chunk at most.
        embedding_model: the name in Dify of a connected text-embedding model.
        timeout: seconds for indexing what is new. What an earlier run sent and does not get on for a third
            of them is sent again: with a killed worker went its work.
        progress: receives a line whenever something has changed.
        report: receives a line about documents that stay out of the search.
        provider: of the embedding model, in three parts.
    """

    dify: Dify = field(repr=False)
    name: str
    documents: Sequence[Document] = field(repr=False)
    chunk_size: int
    embedding_model: str
    retrieval: Retrieval
    timeout: float = 900.0
    progress: Callable[[str], None] | None = field(default=None, repr=False)
    report: Callable[[str], None] | None = field(default=None, repr=False)
    provider: str = PROVIDER

    @property
    def title(self) -> str:
        return f"Index the knowledge {self.name}"

    def difference(self) -> str | None:
        dataset = self._find()
        if dataset is None:
            return f"there is no dataset {self.name}"
        plan = self._plan(dataset)
        for document in plan.set_aside:
            if self.report:
                state = "archived" if document.archived else "switched off"
                self.report(f"{document.name} was {state} in Dify's console, so no version of it is searched")
        return self._difference(dataset, plan)

    def apply(self) -> None:
        datasets = self.dify.datasets
        dataset = self._find() or datasets.create(self.title, self.name, self._description)
        if self._setting_differences(dataset):
            self._demand_same_embedding(dataset)
            datasets.change(
                self.title, dataset, {**self._settings(), "retrieval_model": self.retrieval.of_dataset()}
            )
        plan = self._plan(dataset)
        for broken in plan.broken:
            datasets.remove(self.title, dataset, broken)
        sent = [datasets.add(self.title, dataset, document, self.chunk_size) for document in plan.add]
        if plan.add or plan.unfinished:
            self._await(dataset, plan, dict.fromkeys(sent, Indexed()))
        for outdated in plan.remove:
            datasets.remove(self.title, dataset, outdated)
        dataset = datasets.require(self.name)
        if difference := self._difference(dataset, self._plan(dataset)):
            raise DifyError(self.title, f"Dify accepted it, but {difference}")

    def _find(self) -> Dataset | None:
        """The dataset.

        Raises:
            DifyError: somebody else's has its name.
        """
        dataset = self.dify.datasets.find(self.name)
        if dataset and MARK not in dataset.description:
            raise DifyError(
                self.title,
                f"the dataset {self.name} ({dataset.id}) was made by hand, and its settings would be lost",
                f'rename it in Dify\'s console, or have it taken over by adding "{MARK}" to its description',
            )
        return dataset

    def _difference(self, dataset: Dataset, plan: DocumentPlan) -> str | None:
        differing = self._setting_differences(dataset)
        return "; ".join([*differing, *filter(None, [str(plan)])]) or None

    @property
    def _description(self) -> str:
        return f"knowledge/{self.name} ({MARK})"

    def _settings(self) -> dict[str, Any]:
        return {
            "description": self._description,
            "indexing_technique": "high_quality",
            "embedding_model": self.embedding_model,
            "embedding_model_provider": self.provider,
        }

    def _setting_differences(self, dataset: Dataset) -> list[str]:
        shown: Mapping[str, Any] = vars(dataset)
        return mapping_differences(self._settings(), shown) + mapping_differences(
            self.retrieval.of_dataset(), dataset.retrieval
        )

    def _demand_same_embedding(self, dataset: Dataset) -> None:
        """Another embedding model makes all vectors useless and Dify index everything anew, hand-made
        documents too."""
        shown = (dataset.embedding_model, dataset.embedding_model_provider)
        if dataset.document_count and shown != (self.embedding_model, self.provider):
            raise DifyError(
                self.title,
                f"its {dataset.document_count} documents were embedded with {shown[0]} of {shown[1]}, wanted "
                f"is {self.embedding_model} of {self.provider}",
                f"delete the dataset {self.name} in Dify's console, then run again; it is indexed anew",
            )

    def _plan(self, dataset: Dataset) -> DocumentPlan:
        return plan_documents(self.documents, self.dify.datasets.documents(dataset))

    def _await(self, dataset: Dataset, plan: DocumentPlan, batches: dict[str, Indexed]) -> None:
        wanted = {document.name for document in plan.add} | {each.name for each in plan.unfinished}
        leaving = {document.id for document in plan.remove}
        earlier = {document.id for document in plan.unfinished}
        clock = self.dify.transport.clock
        moved = clock()
        deadline = moved + self.timeout
        said, reached = "", -1
        while True:
            there = [
                document
                for document in self.dify.datasets.documents(dataset)
                if document.name in wanted and document.id not in leaving
            ]
            _demand_good(self.title, there, self.dify.transport.readable)
            working = [document for document in there if document.status != "completed"]
            missing = wanted - {document.name for document in there if document.status == "completed"}
            if not missing:
                return
            states = sorted({document.status for document in working})
            line = f"{len(wanted) - len(missing)} of {len(wanted)} documents indexed, {', '.join(states)}"
            line += self._chunks(dataset, batches)
            left = [document for document in working if document.id in earlier]
            chunks = sum(self.dify.datasets.indexed_of(self.title, dataset, each) for each in left)
            if (line, chunks) != (said, reached):
                moved = clock()
            if line != said and self.progress:
                self.progress(line)
            said, reached = line, chunks
            if left and clock() >= moved + self.timeout / 3:
                batches |= dict.fromkeys(self._sent_again(dataset, left), Indexed())
                earlier.clear()
                deadline = clock() + self.timeout
            elif clock() >= deadline:
                advice = _WORKER_ADVICE if states == ["waiting"] else _INDEX_ADVICE
                raise DifyError(self.title, f"after {self.timeout:.0f} s: {line}", advice)
            self.dify.transport.sleep(_POLL_PAUSE)

    def _sent_again(self, dataset: Dataset, left: Sequence[StoredDocument]) -> Iterator[str]:
        """Delete each first: Dify would give the new one its place, where a worker may be at it after all."""
        wanted = {document.name: document for document in self.documents}
        for document in left:
            if self.progress:
                self.progress(f"{document.name} stays {document.status}; sent again")
            self.dify.datasets.remove(self.title, dataset, document)
            yield self.dify.datasets.add(self.title, dataset, wanted[document.name], self.chunk_size)

    def _chunks(self, dataset: Dataset, batches: dict[str, Indexed]) -> str:
        """How far what was sent in this run is; whatever is finished is not asked for again."""
        for batch, seen in batches.items():
            if not seen.finished:
                batches[batch] = self.dify.datasets.indexed(self.title, dataset, batch)
        known = sum(each.known for each in batches.values())
        return f", {sum(each.chunks for each in batches.values())} of {known} chunks" if known else ""


def _demand_good(step: str, documents: Sequence[StoredDocument], readable: Callable[[str], str]) -> None:
    bad = [document for document in documents if document.is_broken]
    if bad:
        told = "; ".join(
            f"{document.name} is {document.status}: {readable(document.error)}" for document in bad
        )
        raise DifyError(step, told, _INDEX_ADVICE)
