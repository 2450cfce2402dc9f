"""Documents that are being indexed: what is asked for, and how often."""

from __future__ import annotations

from typing import Any

from dify_routes import Routes

from provision.dify.resources import Knowledge
from provision.dify.resources.base import PROVIDER
from provision.domain.knowledge import Document
from provision.domain.wiring.retrieval import MARK, Retrieval

RETRIEVAL = Retrieval(PROVIDER, "reranker", 3)
DATASET = {
    "id": "d",
    "name": "handbook",
    "description": f"knowledge/handbook ({MARK})",
    "indexing_technique": "high_quality",
    "embedding_model": "bge",
    "embedding_model_provider": PROVIDER,
    "retrieval_model_dict": RETRIEVAL.of_dataset(),
}


def documents(*states: str) -> dict[str, Any]:
    items = [
        {"id": document.name, "name": document.name, "indexing_status": state}
        for document, state in zip(SENT, states, strict=False)
    ]
    return {"data": items, "has_more": False}


def status(state: str, chunks: int) -> dict[str, Any]:
    return {"data": [{"indexing_status": state, "completed_segments": chunks, "total_segments": 3}]}


SENT = [Document(f"{name}.txt", (f"Everything about {name}.",)) for name in ("racks", "backups")]
V1 = "/v1/datasets/d"
STATUS = [f"GET {V1}/documents/{batch}/indexing-status" for batch in ("b1", "b2")]


def test_a_finished_document_is_not_asked_for_again_and_still_counts() -> None:
    routes = Routes(
        {
            "GET datasets": [{"data": [DATASET], "has_more": False}],
            "GET datasets/api-keys": [{"data": [{"id": "1", "token": "dataset-canary"}]}],
            f"GET {V1}/documents": [
                documents(),
                documents("indexing", "waiting"),
                documents("completed", "indexing"),
                documents("completed", "indexing"),
                documents("completed", "completed"),
            ],
            f"POST {V1}/document/create-by-text": [{"batch": "b1"}, {"batch": "b2"}],
            STATUS[0]: [status("indexing", 1), status("completed", 3), status("completed", 99)],
            STATUS[1]: [status("waiting", 0), status("indexing", 1), status("indexing", 2)],
        }
    )
    said: list[str] = []
    Knowledge(routes.dify(), "handbook", SENT, 60, "bge", RETRIEVAL, progress=said.append).apply()
    assert [len(routes.bodies(each)) for each in STATUS] == [2, 3]
    assert said == [
        "0 of 2 documents indexed, indexing, waiting, 1 of 6 chunks",
        "1 of 2 documents indexed, indexing, 4 of 6 chunks",
        "1 of 2 documents indexed, indexing, 5 of 6 chunks",
    ]
