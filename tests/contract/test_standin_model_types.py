"""Model records of before 1.14, which newer releases read and do not find; and the command that helps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.dify.standin import assembly, command, default_models, model_store
from lab.dify.standin.context import Site
from lab.dify.standin.settings import Settings

MODEL = ("llm", "qwen")
RENAME = ["data-migrate", "legacy-model-types"]


@pytest.fixture
def before(tmp_path: Path) -> Site:
    """A 1.12.1 with a model, its credential and a default."""
    site = assembly.site(Settings("1.12.1", storage=str(tmp_path)))
    model_store.add_credential(site, *MODEL, "mine", {"api_key": "k"})
    default_models.choose(site, *MODEL, "langgenius/openai_api_compatible/openai_api_compatible")
    return site


@pytest.fixture
def upgraded(before: Site) -> Site:
    return replace(before, settings=replace(before.settings, version="1.16.1"))


def found(site: Site) -> list[str]:
    return [record["name"] for record in model_store.credentials(site, *MODEL)]


def test_its_own_release_finds_them(before: Site) -> None:
    assert found(before) == ["mine"]


def test_a_newer_one_reads_but_does_not_find_them(upgraded: Site) -> None:
    assert found(upgraded) == []
    current = model_store.current(upgraded, *MODEL)
    assert current
    assert current["values"] == {"api_key": "k"}
    assert [model["model"] for model in model_store.models(upgraded, "llm")] == ["qwen"]


def test_the_command_has_them_found(upgraded: Site, capsys: pytest.CaptureFixture[str]) -> None:
    command.run(RENAME, upgraded.store, upgraded.settings)
    assert found(upgraded) == []
    command.run([*RENAME, "--apply"], upgraded.store, upgraded.settings)
    assert found(upgraded) == ["mine"]
    said = [json.loads(line)["attrs"] for line in capsys.readouterr().out.splitlines()]
    kinds = ("model", "credential", "default_model")
    assert [(each["table_name"], each["apply"]) for each in said] == [
        (kind, apply) for apply in (False, True) for kind in kinds
    ]
    command.run([*RENAME, "--apply"], upgraded.store, upgraded.settings)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("version", ["1.12.1", "1.14.2"])
def test_older_releases_do_not_have_it(
    before: Site, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.run([*RENAME, "--apply"], before.store, Settings(version))
    assert ended.value.code == 2
    assert "No such command 'data-migrate'." in capsys.readouterr().err
