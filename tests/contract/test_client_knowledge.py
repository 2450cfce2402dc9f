"""Knowledge against the stand-in for Dify: indexed once, found first, cited; only differences are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from knowledge_scenario import (
    BOT,
    HANDBOOK,
    SIZE,
    TOP_K,
    Installation,
    Models,
    assert_settled,
    chatbot,
    documents,
    knowledge,
    wired,
)
from starlette.applications import Starlette
from starlette.routing import Route
from test_client_standin import Door, apply, serving

from lab.dify.standin import api, assembly
from lab.dify.standin.settings import Settings
from provision.dify import Dify, DifyError
from provision.dify.resources import DatasetKey
from provision.domain.knowledge import Document, holds, probe
from provision.domain.wiring.retrieval import MARK, attached_datasets


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    settings = Settings(storage=str(tmp_path), install_seconds=0.1, index_seconds=0.1)
    with wired(settings) as there:
        yield there


def test_what_was_indexed_is_found_first_and_cited(installation: Installation) -> None:
    dify = installation.dify()
    assert len(apply(installation.knowing(dify))) == 4
    looked_for = probe(documents())
    assert looked_for
    found = dify.datasets.search("handbook", looked_for.sentence)
    assert found[0].document == looked_for.document
    assert holds(found[0].content, looked_for.sentence)
    assert all(len(chunk.content) <= SIZE for chunk in found)

    answer = dify.service.ask(dify.apps.api_key(BOT), looked_for.sentence, "provisioner")
    assert answer.sources[0] == looked_for.document
    assert len(answer.sources) == TOP_K
    prompt = installation.models.prompts[-1]
    assert looked_for.sentence in prompt
    assert prompt.endswith("Be brief.")

    assert_settled(installation)


def test_only_what_changed_is_sent(installation: Installation) -> None:
    dify = installation.dify()
    apply(installation.knowing(dify))
    kept, old = documents()[1].name, documents()[0].name
    dataset = dify.datasets.require("handbook")
    ids = {document.name: document.id for document in dify.datasets.documents(dataset)}
    before = len(installation.door.writes)

    new = replace(HANDBOOK[0], text="服务器机柜搬到一号楼去了。")
    changed = knowledge(dify, [new, HANDBOOK[1]])
    assert changed.difference() == f"to index: rooms.md; to remove: {old}"
    changed.apply()
    path = f"/v1/datasets/{dataset.id}"
    assert installation.door.writes[before:] == [
        f"POST {path}/document/create-by-text",
        f"DELETE {path}/documents/{ids[old]}",
    ]
    assert {document.name: document.id for document in dify.datasets.documents(dataset)}[kept] == ids[kept]

    knowledge(dify, [new]).apply()
    [left] = documents([new])
    assert [document.name for document in dify.datasets.documents(dataset)] == [left.name]
    assert {chunk.document for chunk in dify.datasets.search("handbook", "备份")} == {left.name}


def test_documents_made_by_hand_stay(installation: Installation) -> None:
    dify = installation.dify()
    apply(installation.knowing(dify))
    by_hand = Document("by hand", ("这是手工加的。",))
    dataset = dify.datasets.require("handbook")
    dify.datasets.add("Add by hand", dataset, _Named("by hand.txt", by_hand.chunks), SIZE)
    assert knowledge(dify).difference() is None
    knowledge(dify, HANDBOOK[:1]).apply()
    assert "by hand.txt" in {document.name for document in dify.datasets.documents(dataset)}


@dataclass(frozen=True)
class _Named(Document):
    """A document under a name without our mark."""

    @property
    def name(self) -> str:
        return self.path


def test_what_a_killed_run_has_sent_is_awaited(installation: Installation) -> None:
    dify = installation.dify()
    DatasetKey(dify).apply()
    dataset = dify.datasets.create("Create", "handbook", MARK)
    dify.datasets.add("Killed", dataset, documents()[0], SIZE)
    before = len(installation.door.writes)
    knowledge(dify).apply()
    assert installation.door.writes[before:] == [
        f"PATCH /console/api/datasets/{dataset.id}",
        f"POST /v1/datasets/{dataset.id}/document/create-by-text",
    ]


def test_what_a_killed_worker_left_is_sent_again(tmp_path: Path) -> None:
    site = assembly.site(Settings(storage=str(tmp_path), install_seconds=0.1, index_seconds=0))
    models, said = Models(), list[str]()
    endpoint = Starlette(routes=[Route("/v1/{task:path}", models.answer, methods=["POST"])])
    door = Door(api.app(site))
    with serving(endpoint) as models_url, serving(door) as url:
        there = Installation(url, models_url, door, models)
        dify = there.dify()
        apply([*there.wiring(dify), DatasetKey(dify)])
        knowledge(dify, HANDBOOK[:1]).apply()
        [left] = site.store.all("document")
        for status in ("indexing", "parsing"):
            site.store.put("document", left["id"], left | {"status": status})
            before = len(door.writes)
            replace(knowledge(dify), timeout=1.5, progress=said.append).apply()
            assert f"{left['name']} stays {status}; sent again" in said
            path = f"/v1/datasets/{left['dataset_id']}"
            assert door.writes[before:][-2:] == [
                f"DELETE {path}/documents/{left['id']}",
                f"POST {path}/document/create-by-text",
            ]
            assert knowledge(dify).difference() is None
            [left] = [each for each in site.store.all("document") if each["name"] == left["name"]]


def test_a_dataset_of_somebody_else_is_not_taken_over(installation: Installation) -> None:
    dify = installation.dify()
    DatasetKey(dify).apply()
    theirs = dify.datasets.create("By hand", "handbook", "The marketing team's")
    before = installation.door.writes
    for ask in (knowledge(dify).difference, knowledge(dify).apply):
        with pytest.raises(DifyError, match=rf"{theirs.id}\) was made by hand.*rename it.*adding \"{MARK}\""):
            ask()
    assert installation.door.writes == before
    dify.datasets.change("Hand over", theirs, {"description": f"The marketing team's, {MARK}"})
    knowledge(dify).apply()
    assert knowledge(dify).difference() is None


@pytest.mark.parametrize("version", ["1.3.1", "1.16.1"])
def test_a_dataset_that_another_account_keeps_for_itself_is_found(tmp_path: Path, version: str) -> None:
    site = assembly.site(Settings(version, storage=str(tmp_path), install_seconds=0.1, index_seconds=0.1))
    models = Models()
    endpoint = Starlette(routes=[Route("/v1/{task:path}", models.answer, methods=["POST"])])
    door = Door(api.app(site))
    with serving(endpoint) as models_url, serving(door) as url:
        there = Installation(url, models_url, door, models)
        dify = there.dify()
        apply([*there.wiring(dify), DatasetKey(dify)])
        theirs = dify.datasets.create("By hand", "handbook", "The marketing team's")
        row = site.store.get("dataset", theirs.id) or {}
        site.store.put("dataset", theirs.id, row | {"created_by": "somebody else"})
        for ask in (knowledge(dify).difference, knowledge(dify).apply):
            with pytest.raises(DifyError, match=rf"{theirs.id}\) was made by hand"):
                ask()
        site.store.put("dataset", theirs.id, row | {"created_by": "somebody else", "description": MARK})
        knowledge(dify).apply()
        assert knowledge(dify).difference() is None

        # An administrator who is not the owner is shown nothing of it.
        site.store.put("dataset", theirs.id, row | {"created_by": "somebody else"})
        site.store.put("setup", "only", (site.setup_row() or {}) | {"account_id": "somebody else"})
        assert dify.datasets.find("handbook") is None
        with pytest.raises(DifyError, match=r"409 dataset_name_duplicate: .* → .*account cannot see"):
            knowledge(dify).apply()


def test_a_refusing_model_is_told_and_the_next_run_finishes(installation: Installation) -> None:
    dify = installation.dify()
    installation.models.embedding_fails = True
    DatasetKey(dify).apply()
    dify.transport.hide("of memory")  # as if a key stood there
    with pytest.raises(DifyError, match=r"is error: .*CUDA out \*\*\*.*logs worker"):
        knowledge(dify).apply()
    installation.models.embedding_fails = False
    assert apply(installation.knowing(dify))
    assert len(dify.datasets.documents(dify.datasets.require("handbook"))) == len(HANDBOOK)


def test_hand_made_changes_of_the_settings_are_undone(installation: Installation) -> None:
    dify = installation.dify()
    apply(installation.knowing(dify))
    dataset = dify.datasets.require("handbook")
    dify.datasets.change(
        "By hand", dataset, {"retrieval_model": {"search_method": "full_text_search", "top_k": 3}}
    )
    assert "search_method is 'full_text_search', wanted is 'semantic_search'" in str(
        knowledge(dify).difference()
    )
    knowledge(dify).apply()
    assert knowledge(dify).difference() is None


def test_another_embedding_model_is_for_a_person_to_decide(installation: Installation) -> None:
    dify = installation.dify()
    apply(installation.knowing(dify))
    other = replace(knowledge(dify), embedding_model="bge-m3")
    with pytest.raises(
        DifyError, match=r"2 documents were embedded with bge of .*delete the dataset handbook"
    ):
        other.apply()


def attached(dify: Dify) -> list[str]:
    return attached_datasets((dify.apps.require(BOT).configuration or {})["dataset_configs"])


def test_a_folder_that_is_taken_out_is_detached_and_what_was_attached_by_hand_stays(
    installation: Installation,
) -> None:
    dify = installation.dify()
    apply(installation.knowing(dify))
    apply(installation.knowing(dify, HANDBOOK[:1], "second"))
    second = dify.datasets.require("second").id
    assert attached(dify) == [second], "the first one is ours and no longer wanted"

    by_hand = dify.datasets.create("By hand", "by hand", "mine").id
    both = chatbot(dify, ["handbook", "second"])
    both.apply()
    app = dify.apps.require(BOT)
    configuration = dict(app.configuration or {})
    entries = [{"dataset": {"enabled": True, "id": each}} for each in (*attached(dify), by_hand)]
    configuration["dataset_configs"] = {
        **configuration["dataset_configs"],
        "datasets": {"datasets": entries},
    }
    dify.console.send("Attach by hand", "POST", f"apps/{app.id}/model-config", body=configuration)
    assert both.difference() is None
    none = chatbot(dify, [])
    none.apply()
    assert attached(dify) == [by_hand]
    assert none.difference() is None


def test_a_missing_dataset_is_left_out(installation: Installation) -> None:
    dify = installation.dify()
    chatbot(dify, ["handbook"]).apply()
    assert attached(dify) == []
    assert chatbot(dify, ["handbook"]).difference() is None


def test_a_worker_that_does_not_work_is_named(tmp_path: Path) -> None:
    settings = Settings(storage=str(tmp_path), install_seconds=0.1, index_seconds=3600)
    door, models = Door(api.app(assembly.site(settings))), Models()
    endpoint = Starlette(routes=[Route("/v1/{task:path}", models.answer, methods=["POST"])])
    with serving(endpoint) as models_url, serving(door) as url:
        there = Installation(url, models_url, door, models)
        dify = there.dify()
        apply([*there.wiring(dify), DatasetKey(dify)])
        said: list[str] = []
        stuck = replace(knowledge(dify), timeout=0.5, progress=said.append)
        with pytest.raises(DifyError, match="0 of 2 documents indexed, waiting → Dify's worker container"):
            stuck.apply()
        assert said == ["0 of 2 documents indexed, waiting"]
