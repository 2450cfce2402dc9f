"""What compose reads in a folder by itself, by Compose itself; what was started there otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import FactBase

from provision.domain.adoption import OURS, OVERRIDE, Started
from provision.domain.compose_files import DEFINITIONS, OVERRIDES, Choice, obstacle
from provision.facts.adoption import ComposeFiles, StartedThere

COMPOSE = Path(sys.executable).parent / "docker-compose"
DIFYS = "docker-compose.yaml"


def ask(fact: type[FactBase[Any]], **arguments: Any) -> Any:
    command = str(fact().command(**arguments).get_raw_value())  # type: ignore[union-attr]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return fact().process(done.stdout.splitlines())


def compose(folder: Path, *words: str) -> list[str]:
    done = subprocess.run([COMPOSE, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my dify/docker"
    folder.mkdir(parents=True)
    return folder


def define(folder: Path, *names: str) -> None:
    """Files that define a service named after them."""
    for name in names:
        (folder / name).write_text(f"services:\n  {service(name)}: {{image: a}}\n")


def service(file: str) -> str:
    return file.replace(" ", "_")


@pytest.mark.parametrize(
    ("names", "env", "shell"),
    [
        ([DIFYS], "", {}),
        ([DIFYS, OVERRIDE], "A=1\n", {}),
        ([DIFYS, OVERRIDE, "docker-compose.override.yml"], "", {}),
        ([DIFYS, *OVERRIDES], "", {}),
        ([DIFYS, "compose.yml"], "", {}),
        ([*DEFINITIONS, OVERRIDE], "", {}),
        ([DIFYS, OVERRIDE, "data.yaml"], f"COMPOSE_FILE={DIFYS}:data.yaml\n", {}),
        ([DIFYS, "my data.yaml"], f'export COMPOSE_FILE="{DIFYS}:./my data.yaml" # mine', {}),
        ([DIFYS, "data.yaml"], f"COMPOSE_FILE={DIFYS},data.yaml\r\nCOMPOSE_PATH_SEPARATOR=,\r\n", {}),
        ([DIFYS, "data.yaml"], f"N=data\nCOMPOSE_FILE={DIFYS}:data.yaml\n", {"COMPOSE_FILE": DIFYS}),
    ],
)
def test_what_compose_reads(
    folder: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], env: str, shell: dict[str, str]
) -> None:
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    define(folder, *names)
    (folder / ".env").write_text(env, newline="")
    found = ask(ComposeFiles, folder=str(folder))
    read = {service(file.removeprefix("./")) for file in found.files}
    assert read == set(compose(folder, "config", "--services"))


def test_the_remedy_for_another_name_works_against_a_name_in_a_definition(folder: Path) -> None:
    define(folder, DIFYS)
    (folder / OVERRIDE).write_text("name: dify\n")
    assert "name: dify" in compose(folder, "config")
    (folder / ".env").write_text("COMPOSE_PROJECT_NAME=bot\n")
    assert "name: bot" in compose(folder, "config")


MINE = "docker-compose.override.yml"
NAMED = {"COMPOSE_FILE": f"{DIFYS}:data.yaml"}


@pytest.mark.parametrize(
    ("choice", "override", "told"),
    [
        (Choice([DIFYS]), None, None),
        (Choice([DIFYS, OVERRIDE]), f"{OURS}\n", None),
        (Choice([DIFYS, OVERRIDE]), "services: {}\n", f"/d/{OVERRIDE} is somebody's own"),
        (
            Choice([DIFYS, MINE]),
            None,
            f"/d/{MINE} is somebody's own; compose reads it, and {OVERRIDE}, which",
        ),
        (Choice([DIFYS, MINE, OVERRIDE]), f"{OURS}\n", f"/d/{MINE} is somebody's own; compose reads it"),
        (Choice([DIFYS, OVERRIDE], NAMED), f"{OURS}\n", f"compose would not read /d/{OVERRIDE}, which our"),
        (Choice([DIFYS, MINE], {"COMPOSE_FILE": f"{DIFYS}:./{OVERRIDE}:{MINE}"}), None, None),
        (Choice([DIFYS], {"COMPOSE_FILE": f"/d/{DIFYS}:/d/{OVERRIDE}"}), None, None),
        (Choice([DIFYS], {"COMPOSE_FILE": OVERRIDE}), "services: {}\n", f"/d/{OVERRIDE} is somebody's own"),
    ],
)
def test_what_keeps_our_override_from_being_read(
    choice: Choice, override: str | None, told: str | None
) -> None:
    found = obstacle(choice, "/d", override)
    assert (found and found.found.startswith(told)) if told else found is None


def line(container: str, service: str, project: str, folder: Path, *files: Path | str) -> str:
    return f"{container}|{service}|{project}|{folder}|{','.join(map(str, files))}"


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Docker that has containers with these labels."""

    def labelled(*lines: str) -> None:
        program = tmp_path / "bin/docker"
        program.parent.mkdir(exist_ok=True)
        text = "\n".join(lines)
        program.write_text(
            f'#!/bin/sh\ncase $1 in ps) echo id;; inspect) cat <<"END"\n{text}\nEND\n;; esac\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return labelled


def test_what_was_started_in_a_folder(folder: Path, tmp_path: Path, labelled: Any) -> None:
    define(folder, DIFYS, "data.yaml", "proxy.yaml")
    other = tmp_path / "other/docker"
    other.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder.parent)
    link = tmp_path / "link/docker"
    labelled(
        line("1", "api", "docker", folder, folder / DIFYS),
        line("2", "db", "docker", link, link / DIFYS, link / "data.yaml", link / "renamed since.yaml"),
        line("3", "db_postgres", "bot", link, link / DIFYS),
        line("4", "nginx", "proxy", folder, folder / "proxy.yaml"),
        line("5", "api", "docker", other, other / "mine.yaml"),
        line("6", "api", "shop", tmp_path / "gone", tmp_path / "gone/x.yaml"),
        line("7", "api", "old", folder, DIFYS),
    )
    assert ask(StartedThere, folder=str(folder), files=[DIFYS]) == {
        "docker": Started(["1", "2"], {DIFYS: True, "data.yaml": False}),
        "bot": Started(["3"], {DIFYS: True}),
        "old": Started(["7"], {DIFYS: True}),
    }
    found = ask(StartedThere, folder=str(link), files=[f"./{DIFYS}", str(folder / "data.yaml")])
    assert found["docker"].files == {DIFYS: True, "data.yaml": True}
