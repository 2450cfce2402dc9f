"""Rules of the real Dify's datasets that its recording does not show, in the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_client_standin import serving

from lab.dify.standin import api, assembly, indexing
from lab.dify.standin.settings import Settings

RULES = {"pre_processing_rules": [{"id": "remove_extra_spaces", "enabled": True}]}


def rule(size: int = 50, separator: str = "\n\n") -> dict[str, Any]:
    return {
        "mode": "custom",
        "rules": {**RULES, "segmentation": {"separator": separator, "max_tokens": size, "chunk_overlap": 0}},
    }


def test_a_text_is_cut_at_the_separator_and_then_by_characters() -> None:
    text = f"短。\n\n\n\n{'字' * 40}。{'文' * 30}。\n\n{'长' * 120}"
    assert indexing.split(text, rule()) == ["短。", "字" * 40, "文" * 30, "长" * 50, "长" * 50, "长" * 20]


@pytest.mark.parametrize("size", [49, 4001])
def test_a_size_out_of_bounds_fails_in_the_worker(size: int) -> None:
    with pytest.raises(indexing.IndexingError, match="Custom segment length should be between 50 and 4000"):
        indexing.split("a", rule(size))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    site = assembly.site(Settings(storage=str(tmp_path)))
    site.store.put("setup", "only", {"tenant_id": "t", "account_id": "a"})
    site.store.put("account", "a", {"id": "a", "name": "A"})
    site.store.put("dataset_key", "k", {"id": "k", "token": "dataset-key", "created_at": 1})
    document = {"dataset_id": "d", "id": "archived", "batch": "1", "status": "completed", "archived": True}
    site.store.put("document", "archived", document)
    names = ("name", "description", "indexing_technique", "embedding_model", "embedding_model_provider")
    dates = dict.fromkeys(("created_by", "created_at", "updated_by", "updated_at"), "a")
    site.store.put("dataset", "d", {"id": "d", **dict.fromkeys(names, "n"), "retrieval": None, **dates})
    headers = {"Authorization": "Bearer dataset-key"}
    with serving(api.app(site)) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as made:
        yield made


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"].partition("\n")[0]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"process_rule": {"mode": "own"}}, "Process rule mode is invalid"),
        ({"process_rule": {"mode": "custom"}}, "Process rule rules is required"),
        ({"process_rule": rule(separator="")}, "Process rule segmentation separator is required"),
        ({"indexing_technique": None}, "1 validation error for KnowledgeConfig"),
    ],
)
def test_a_document_that_is_refused(client: httpx.Client, changed: dict[str, Any], told: str) -> None:
    good = {"name": "n", "text": "t", "indexing_technique": "high_quality", "process_rule": rule()}
    path = "/v1/datasets/d/document/create-by-text"
    assert refused(client.post(path, json={**good, **changed})) == (400, told)


def test_what_is_not_there_and_what_is_archived(client: httpx.Client) -> None:
    assert client.delete("/v1/datasets/d/documents/none").status_code == 404
    assert client.delete("/v1/datasets/d/documents/archived").status_code == 403
    good = {"name": "n", "text": "t", "indexing_technique": "high_quality"}
    missing = client.post("/v1/datasets/none/document/create-by-text", json=good)
    assert refused(missing) == (400, "Dataset does not exist.")
    assert client.get("/v1/datasets/none/documents").status_code == 404
    assert client.get("/v1/datasets/d/documents/batch/indexing-status").status_code == 404


def test_a_question_has_250_characters_at_most(client: httpx.Client) -> None:
    told = (400, "Query is required and cannot exceed 250 characters")
    for query in ("", "a" * 251):
        assert refused(client.post("/v1/datasets/d/retrieve", json={"query": query})) == told


def test_a_key_of_an_app_opens_no_dataset(client: httpx.Client) -> None:
    answer = client.get("/v1/datasets", headers={"Authorization": "Bearer app-key"})
    assert refused(answer) == (401, "Access token is invalid")
