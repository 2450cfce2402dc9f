"""Rules of the real Dify's datasets that its recording does not show, in the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_client_standin import serving

from lab.dify.standin import VERSION, api, assembly, indexing
from lab.dify.standin.settings import Settings
from provision.domain.knowledge import Document, Source, holds, probe

GOOD = {"name": "n", "text": "t", "indexing_technique": "high_quality"}
TEXTS = "/v1/datasets/d/document/create-by-text"
SENTENCES = (
    "《员工手册》每年一月由人事部发布。",
    "**Backups** of the naïve <|system|> run daily.",
    "【注意】机房的门要随手关上。",
    "[The plan](https://a.example/p) hangs on the wall.",
    "……以后再说，钥匙在管理员那里。",
)
RULES = {"pre_processing_rules": [{"id": "remove_extra_spaces", "enabled": True}]}


def rule(size: int = 50, separator: str = "\n\n") -> dict[str, Any]:
    return {
        "mode": "custom",
        "rules": {**RULES, "segmentation": {"separator": separator, "max_tokens": size, "chunk_overlap": 0}},
    }


def test_a_text_is_cut_at_the_separator_and_then_by_characters() -> None:
    text = f"短。\n\n\n\n{'字' * 40}。{'文' * 30}。\n\n{'长' * 120}"
    assert indexing.split(Settings(), text, rule()) == [
        "短。",
        "字" * 40,
        "文" * 30,
        "长" * 50,
        "长" * 50,
        "长" * 20,
    ]


@pytest.mark.parametrize("size", [49, 4001])
def test_a_size_out_of_bounds_fails_in_the_worker(size: int) -> None:
    with pytest.raises(indexing.IndexingError, match="Custom segment length should be between 50 and 4000"):
        indexing.split(Settings(), "a", rule(size))


@pytest.mark.parametrize(
    ("version", "left"),
    [
        ("1.3.1", "员工手册》甲 | 注意】乙 | [link](http://a.example) c | ok | 次 | Bold** d | nave < e >"),
        (
            "1.11.0",
            "员工手册》甲 | 【注意】乙 | link](http://a.example) c | !ok | 次 | Bold** d | nave < e >",
        ),
        (
            "1.11.3",
            "员工手册》甲 | 【注意】乙 | [link](http://a.example) c | !ok | 次 | Bold** d | nave < e >",
        ),
        (
            "1.14.0",
            "员工手册》甲 | 【注意】乙 | [link](http://a.example) c | !ok | 】次 | Bold** d | nave < e >",
        ),
        (
            "1.16.1",
            "员工手册》甲 | 【注意】乙 | [link](http://a.example) c | !ok | 】次 | Bold** d | naïve < e >",
        ),
    ],
)
def test_symbols_at_the_beginning_of_a_chunk_and_invalid_ones(version: str, left: str) -> None:
    chunks = (
        "《员工手册》甲 | 【注意】乙 | [link](http://a.example) c | !ok | 】次 | **Bold** d | naïve <| e |>"
    )
    sent = f"{chunks} | 。*_".replace(" | ", "\n\n")
    assert indexing.split(Settings(version), sent, rule()) == left.split(" | ")


@pytest.mark.parametrize("version", ["1.3.1", "1.11.0", "1.12.1", "1.16.1"])
@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_is_looked_for_is_found_after_all_that(version: str, sentence: str) -> None:
    document = Document.of(Source("a.md", sentence), 50)
    looked_for = probe([document])
    assert looked_for
    [chunk] = indexing.split(Settings(version), document.text, rule())
    assert holds(chunk, looked_for.sentence)


def test_addresses_go_but_not_those_of_images() -> None:
    text = "Ask a.b@example.com, see https://a.example/x or ![plan](https://a.example/p.png)."
    with_addresses = rule(200)
    with_addresses["rules"] = {
        **with_addresses["rules"],
        "pre_processing_rules": [{"id": "remove_urls_emails", "enabled": True}],
    }
    assert indexing.split(Settings(), text, with_addresses) == [
        "Ask , see  or ![plan](https://a.example/p.png)."
    ]


@pytest.fixture
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    version = getattr(request, "param", VERSION)
    site = assembly.site(Settings(version, storage=str(tmp_path), index_seconds=3600))
    site.store.put("setup", "only", {"tenant_id": "t", "account_id": "a"})
    site.store.put("account", "a", {"id": "a", "name": "A"})
    site.store.put("dataset_key", "k", {"id": "k", "token": "dataset-key", "created_at": 1})
    names = ("name", "description", "permission", "indexing_technique")
    names += ("embedding_model", "embedding_model_provider")
    dates = dict.fromkeys(("created_by", "created_at", "updated_by", "updated_at"), "a")
    site.store.put("dataset", "d", {"id": "d", **dict.fromkeys(names, "n"), "retrieval": None, **dates})
    headers = {"Authorization": "Bearer dataset-key"}
    with serving(api.app(site)) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as made:
        made.post(TEXTS, json={**GOOD, "name": "archived", "process_rule": rule()}).raise_for_status()
        [document] = site.store.all("document")
        site.store.delete("document", document["id"])
        site.store.put("document", "archived", document | {"id": "archived", "archived": True})
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
    assert refused(client.post(TEXTS, json={**GOOD, "process_rule": rule(), **changed})) == (400, told)


def test_what_is_not_there_and_what_is_archived(client: httpx.Client) -> None:
    assert client.delete("/v1/datasets/d/documents/none").status_code == 404
    assert client.delete("/v1/datasets/d/documents/archived").status_code == 403
    missing = client.post("/v1/datasets/none/document/create-by-text", json=GOOD)
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


def as_version(*versions: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", versions, indirect=True)


@as_version("1.3.1", "1.16.1")
def test_a_document_of_the_same_name_is_replaced_unless_it_is_switched_off(client: httpx.Client) -> None:
    first, second = (client.post(TEXTS, json={**GOOD, "process_rule": rule()}).json() for _ in range(2))
    assert first["document"]["id"] == second["document"]["id"]
    assert first["batch"] != second["batch"]
    assert len(client.get("/v1/datasets/d/documents").json()["data"]) == 2, "and the one in the archive"


@pytest.mark.parametrize(
    ("client", "status"), [("1.3.1", 500), ("1.11.0", 500), ("1.11.1", 200)], indirect=["client"]
)
def test_older_ones_need_a_rule(client: httpx.Client, status: int) -> None:
    assert client.post(TEXTS, json=GOOD).status_code == status


@pytest.mark.parametrize(
    ("client", "answer"),
    [("1.3.1", (204, "")), ("1.4.0", (200, "204")), ("1.12.1", (200, "204")), ("1.13.0", (204, ""))],
    indirect=["client"],
)
def test_what_is_said_of_a_deleted_document(client: httpx.Client, answer: tuple[int, str]) -> None:
    key = client.post(TEXTS, json={**GOOD, "process_rule": rule()}).json()["document"]["id"]
    said = client.delete(f"/v1/datasets/d/documents/{key}")
    assert (said.status_code, said.text) == answer


@pytest.mark.parametrize(
    ("client", "method"), [("1.8.1", None), ("1.9.0", "hybrid_search")], indirect=["client"]
)
def test_settings_of_searching_that_are_left_out(client: httpx.Client, method: str | None) -> None:
    retrieval = {"search_method": "hybrid_search", "top_k": 7}
    assert client.patch("/v1/datasets/d", json={"retrieval_model": retrieval}).is_success
    said = client.patch("/v1/datasets/d", json={"description": "other"}).json()
    assert said["description"] == "other"
    assert said["retrieval_model_dict"]["search_method"] == (method or "semantic_search")
