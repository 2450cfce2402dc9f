"""Files that the bot is to know, through the real embedding and reranking servers of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import apply, plan, setting

from lab.paths import ROOT

pytestmark = pytest.mark.usefixtures("converged")

# Models with random weights rank at random: one chunk is all there may be, to be found first.
TEXT = "# 办公室\n\n服务器机柜在二号楼的地下室里。\n\n咖啡机在三楼的厨房旁边，早上八点以后可以用。\n"
KNOWING = setting(dify={"knowledge": {"folders": ["e2e"], "chunk_size": 80, "top_k": 1}})
INDEX, PUBLISH = "Wiring | Index what is in knowledge/e2e", "Wiring | Create and publish the chatbot"


@pytest.fixture(scope="module")
def office() -> Iterator[Path]:
    file = ROOT / "knowledge" / "e2e" / "office.md"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT, encoding="utf-8")
    yield file
    file.unlink()
    file.parent.rmdir()


def test_it_is_indexed_found_and_cited_once(office: Path) -> None:
    assert office.exists()
    run = apply(*KNOWING)
    assert run.code == 0, run.output[-4000:]
    key = {"Wiring | Make an API key for datasets"}
    assert run.changed.keys() - key == {INDEX, PUBLISH}
    assert apply(*KNOWING).changed == {}


def test_a_changed_file_is_indexed_again(office: Path) -> None:
    office.write_text(TEXT.replace("三楼的厨房旁边", "五楼的图书室里面"), encoding="utf-8")
    assert plan(*KNOWING).changed == {INDEX: ["dify-wsl"]}
    run = apply(*KNOWING)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {INDEX: ["dify-wsl"]}
    assert apply(*KNOWING).changed == {}


def test_a_folder_that_is_taken_out_is_detached() -> None:
    assert apply().changed == {PUBLISH: ["dify-wsl"]}
    assert apply().changed == {}
