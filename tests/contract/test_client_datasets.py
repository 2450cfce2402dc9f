"""The client's datasets against what real servers answered: 1.3.1, 1.9.2, 1.12.1 and 1.16.1.

Those recorded no client that reconciles a dataset, so lists are made of the recorded details of their items.
1.9.2 and 1.12.1 recorded no change of a dataset either: there it is answered by the dataset as it is then.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from client_replay import Line, Replay, asked, named, recorded
from client_scenario import answered, body, login

from provision.dify import Dify, DifyError
from provision.dify.resources import DatasetKey, Knowledge
from provision.dify.resources.base import PROVIDER
from provision.domain.knowledge import Document
from provision.domain.wiring.retrieval import MARK, Retrieval

VERSIONS = ("1.3.1", "1.9.2", "1.12.1", "1.16.1")
NAME, SIZE = "Lab Knowledge", 100
FACTS = Document(
    "facts.txt",
    (
        "The lab server rack is in room B12.",
        "The coffee machine is in the kitchen on floor two.",
        "Backups of the database run every night at two.",
    ),
)
RETRIEVAL = Retrieval(PROVIDER, "reranker-lab", 3)
PATCHES = ("dataset patch (console): retrieval_model with rerank", "idem1: WRITE dataset patch")


@pytest.fixture(scope="module", params=VERSIONS)
def recording(request: pytest.FixtureRequest) -> list[Line]:
    return list(recorded(request.param))


def knowledge(dify: Dify) -> Knowledge:
    return Knowledge(dify, NAME, [FACTS], SIZE, "bge-lab", RETRIEVAL)


def lines(recording: list[Line]) -> list[Line]:
    """No dataset and no key, then a key, a dataset with the settings of a new one, then all of it."""
    added = named(recording, "document create-by-text")
    dataset_id = added.url.path.split("/")[3]
    fresh = {**body(named(recording, "dataset create (console, uses default embedding)")), "id": dataset_id}
    fresh |= {"name": NAME}
    detail = body(named(recording, "dataset detail"))
    wanted: dict[str, Any] = {**detail["retrieval_model_dict"], "top_k": 10}
    settled = {**detail, "description": f"knowledge/{NAME} ({MARK})", "retrieval_model_dict": wanted}

    empty = named(recording, "datasets (empty)")
    query = httpx.QueryParams({"page": "1", "limit": "100", "keyword": NAME, "include_all": "true"})
    lists = [answered(empty, {**body(empty), "data": items}) for items in ([], [fresh], [settled], [settled])]
    made = named(recording, "dataset create (console, uses default embedding)")
    change = patched(recording) or answered(made, settled)
    path = f"v1/datasets/{dataset_id}/documents"
    document = {**body(added)["document"], "indexing_status": "completed", "display_status": "available"}
    envelope = {"has_more": False, "limit": 100, "page": 1}
    documents = [
        answered(added, {"data": items, "total": len(items), **envelope}) for items in ([], [document])
    ]
    keys = named(recording, "dataset api keys")
    return [
        *(line for line in recording if line.step == "before: setup status"),
        login(recording),
        answered(keys, {"data": []}),
        named(recording, "dataset api key create"),
        keys,
        *(asked(line, "GET", f"console/api/datasets?{query}") for line in lists),
        answered(made, fresh),
        asked(change, "PATCH", f"console/api/datasets/{dataset_id}"),
        *(asked(line, "GET", f"{path}?page=1&limit=100") for line in documents),
        added,
        named(recording, "document indexing-status"),
        named(recording, "retrieve: dataset's own setting"),
    ]


def patched(recording: list[Line]) -> Line | None:
    """The recorded change of a dataset's settings by the console."""
    return next((line for line in recording if line.step in PATCHES), None)


def test_a_dataset_is_made_and_the_next_run_writes_nothing(recording: list[Line]) -> None:
    replay = Replay(lines(recording), {"facts.txt": FACTS.name})
    dify = replay.dify(f"datasets {id(recording)}")
    DatasetKey(dify).apply()
    wanted = knowledge(dify)
    assert wanted.difference() == f"there is no dataset {NAME}"
    wanted.apply()

    added = named(recording, "document create-by-text")
    dataset = added.url.path.removesuffix("/document/create-by-text").rpartition("/")[2]
    assert [(method, path) for method, path, _ in replay.writes] == [
        ("POST", "/console/api/datasets/api-keys"),
        ("POST", "/console/api/datasets"),
        ("PATCH", f"/console/api/datasets/{dataset}"),
        ("POST", added.url.path),
    ]
    _, create, change, sent = (body for _, _, body in replay.writes)
    accepted = named(recording, "dataset create (console, uses default embedding)").sent
    assert create.keys() == accepted.keys()
    assert "retrieval_model" not in create, "with a reranking model 1.8.1 and older refuse it"
    tried = named(recording, "dataset create: unknown rerank").sent["retrieval_model"]
    assert change["retrieval_model"].keys() == tried.keys()
    if recorded_change := patched(recording):
        assert recorded_change.status == 200
        assert change.keys() - {"description"} == recorded_change.sent.keys() - {"description"}
        assert {key: type(value) for key, value in change["retrieval_model"].items()} == {
            key: type(value) for key, value in recorded_change.sent["retrieval_model"].items()
        }
    assert sent == {
        **{name: value for name, value in added.sent.items() if name != "doc_language"},
        "name": FACTS.name,
    }

    written = len(replay.writes)
    assert wanted.difference() is None
    wanted.apply()
    DatasetKey(dify).apply()
    assert len(replay.writes) == written
    [key] = dify.datasets.keys()
    assert key == body(named(recording, "dataset api key create"))["token"]


def test_what_is_found(recording: list[Line]) -> None:
    replay = Replay([*lines(recording)])
    dify = replay.dify(f"search {id(recording)}")
    DatasetKey(dify).apply()
    assert dify.datasets.find(NAME) is None
    dify.datasets.create("Make it", NAME, "")
    found = dify.datasets.search(NAME, "When do backups run?")
    assert found[0].content == FACTS.chunks[2]
    assert found[0].document == "facts.txt"
    assert [chunk.score for chunk in found] == sorted((chunk.score for chunk in found), reverse=True)


def test_what_an_answer_cites(recording: list[Line]) -> None:
    chat = named(recording, "chat with knowledge")
    answer = Replay([chat]).dify(f"cites {id(recording)}").service.ask("app-key", "Where is it?", "lab-user")
    assert answer.sources[0] == "facts.txt"
    assert len(answer.sources) == 3


def test_a_taken_name_is_told(recording: list[Line]) -> None:
    taken = asked(
        named(recording, "dataset create: duplicate name (console)"), "POST", "console/api/datasets"
    )
    dify = Replay([*lines(recording)[:2], taken]).dify(f"taken {id(recording)}")
    with pytest.raises(DifyError, match=r"409 dataset_name_duplicate: .* → .*cannot see.*rename the folder"):
        dify.datasets.create("Make it", NAME, "")


def test_without_a_key_it_says_so(recording: list[Line]) -> None:
    nothing = answered(named(recording, "dataset api keys"), {"data": []})
    missing = [line for line in lines(recording) if "api-keys" not in line.url.path]
    dify = Replay([*missing, nothing]).dify(f"keyless {id(recording)}")
    with pytest.raises(DifyError, match="no API key for datasets"):
        knowledge(dify).apply()
