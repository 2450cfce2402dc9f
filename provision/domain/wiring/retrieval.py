"""How Dify searches: the settings of a dataset, and of the chatbot that it is attached to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# In the descriptions of what this tool makes at Dify.
MARK = "managed-by: dify-vllm-deploy"
# Chunks that a dataset gives to the reranking model. Those that the model then answers with are fewer and
# the chatbot's business (``dataset_retrieval.py`` takes the first number from the dataset).
CANDIDATES = 10


@dataclass(frozen=True)
class Retrieval:
    """Search by meaning, the best of it chosen by a reranking model.

    Args:
        provider: of the reranking model, in three parts.
        top_k: chunks that go with a question.
    """

    provider: str
    rerank_model: str
    top_k: int

    def of_dataset(self) -> dict[str, Any]:
        """As a dataset keeps it."""
        return {
            "search_method": "semantic_search",
            "reranking_enable": True,
            "top_k": max(CANDIDATES, self.top_k),
            "score_threshold": None,
            **self._shared(),
        }

    def of_chatbot(self) -> dict[str, Any]:
        """As a chatbot keeps it, without the datasets.

        The server reads ``reranking_enabled``, the console's page writes ``reranking_enable``.
        """
        return {
            "retrieval_model": "multiple",
            "reranking_enable": True,
            "reranking_enabled": True,
            "top_k": self.top_k,
            **self._shared(),
        }

    def _shared(self) -> dict[str, Any]:
        return {
            "reranking_mode": "reranking_model",
            "reranking_model": {
                "reranking_provider_name": self.provider,
                "reranking_model_name": self.rerank_model,
            },
            "score_threshold_enabled": False,
        }


@dataclass(frozen=True)
class Attachment:
    """The datasets that a chatbot searches.

    Args:
        retrieval: None keeps what there is.
    """

    datasets: tuple[str, ...]
    retrieval: Retrieval | None

    def merged(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """``dataset_configs`` with this in it."""
        entries = [{"dataset": {"enabled": True, "id": dataset}} for dataset in self.datasets]
        return {
            **shown,
            **(self.retrieval.of_chatbot() if self.retrieval else {}),
            "datasets": {**(shown.get("datasets") or {}), "datasets": entries},
        }

    def differs(self, shown: Mapping[str, Any]) -> bool:
        """Whether ``dataset_configs`` is another one; the datasets' order says nothing."""
        wanted = self.retrieval.of_chatbot() if self.retrieval else {}
        if any(shown.get(key) != value for key, value in wanted.items()):
            return True
        return set(attached_datasets(shown)) != set(self.datasets)


def attached_datasets(shown: Mapping[str, Any]) -> list[str]:
    """The ids in ``dataset_configs`` that are switched on."""
    entries: Sequence[Mapping[str, Any]] = (shown.get("datasets") or {}).get("datasets") or []
    found = [entry.get("dataset") or {} for entry in entries]
    return [str(dataset["id"]) for dataset in found if dataset.get("enabled") and dataset.get("id")]


def mapping_differences(wanted: Mapping[str, Any], shown: Mapping[str, Any]) -> list[str]:
    """Say which wanted keys differ; other keys are nobody's business."""
    return [
        f"{key} is {shown.get(key)!r}, wanted is {value!r}"
        for key, value in wanted.items()
        if shown.get(key) != value
    ]
