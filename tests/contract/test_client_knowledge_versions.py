"""Knowledge against the stand-in as every version: indexed, found, cited; then only differences are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
    documents,
    knowledge,
    wired,
)
from starlette.applications import Starlette
from starlette.routing import Route
from test_client_standin import VERSIONS, Door, apply, serving

from lab.dify.standin import api, assembly
from lab.dify.standin.settings import Settings
from provision.dify import DifyError
from provision.dify.resources import DatasetKey
from provision.domain.knowledge import holds, probe


@pytest.fixture(params=VERSIONS)
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    settings = Settings(version=request.param, storage=str(tmp_path), install_seconds=0.1, index_seconds=0.1)
    with wired(settings) as there:
        yield there


def test_from_nothing_to_a_bot_that_cites(installation: Installation) -> None:
    dify = installation.dify()
    installation.models.embedding_fails = True
    DatasetKey(dify).apply()
    with pytest.raises(DifyError, match="is error: "):
        knowledge(dify).apply()
    installation.models.embedding_fails = False
    assert apply(installation.knowing(dify)), "what failed is sent again"
    assert_settled(installation)

    looked_for = probe(documents())
    assert looked_for
    found = dify.datasets.search("handbook", looked_for.sentence)
    assert found[0].document == looked_for.document
    assert holds(found[0].content, looked_for.sentence)
    assert all(len(chunk.content) <= SIZE for chunk in found)
    for ask in (dify.service.ask, dify.service.ask_streaming):
        answer = ask(dify.apps.api_key(BOT), looked_for.sentence, "provisioner")
        assert answer.sources[0] == looked_for.document
        assert len(answer.sources) == TOP_K
        assert looked_for.sentence in installation.models.prompts[-1]
        dify.service.delete_conversation(dify.apps.api_key(BOT), answer.conversation_id, "provisioner")

    before, dataset = len(installation.door.writes), dify.datasets.require("handbook")
    [old] = [each for each in dify.datasets.documents(dataset) if each.name == documents()[0].name]
    changed = [replace(HANDBOOK[0], text="服务器机柜搬到一号楼去了。"), HANDBOOK[1]]
    knowledge(dify, changed).apply()
    assert knowledge(dify, changed).difference() is None
    path = f"/v1/datasets/{dataset.id}"
    assert installation.door.writes[before:] == [
        f"POST {path}/document/create-by-text",
        f"DELETE {path}/documents/{old.id}",
    ]
    assert {chunk.document for chunk in dify.datasets.search("handbook", "机柜")} == {
        document.name for document in documents(changed)
    }


@pytest.mark.parametrize(
    ("aside", "told"), [({"archived": True}, "archived"), ({"enabled": False}, "switched off")]
)
def test_what_a_person_took_out_of_the_search_stays_out(
    tmp_path: Path, aside: dict[str, bool], told: str
) -> None:
    site = assembly.site(
        Settings(version="1.3.1", storage=str(tmp_path), install_seconds=0.1, index_seconds=0)
    )
    models = Models()
    endpoint = Starlette(routes=[Route("/v1/{task:path}", models.answer, methods=["POST"])])
    door = Door(api.app(site))
    with serving(endpoint) as models_url, serving(door) as url:
        there = Installation(url, models_url, door, models)
        dify = there.dify()
        apply([*there.wiring(dify), *there.knowing(dify)])
        [taken_out] = [each for each in site.store.all("document") if each["name"] == documents()[0].name]
        site.store.put("document", taken_out["id"], taken_out | aside)
        assert_settled(there)
        changed = [replace(HANDBOOK[0], text="服务器机柜搬到一号楼去了。"), HANDBOOK[1]]
        said: list[str] = []
        assert replace(knowledge(dify, changed), report=said.append).difference() is None
        assert said == [f"{taken_out['name']} was {told} in Dify's console, so no version of it is searched"]

        site.store.put("document", taken_out["id"], taken_out)
        knowledge(dify, changed).apply()
        assert {chunk.document for chunk in dify.datasets.search("handbook", "机柜")} == {
            document.name for document in documents(changed)
        }
