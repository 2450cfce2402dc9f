"""What compose reads in a folder by itself, by Compose itself; what was started there otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asking import ask

from provision.domain import whose
from provision.domain.adoption import OURS, OVERRIDE
from provision.domain.compose_files import DEFINITIONS, OVERRIDES, Choice, obstacle
from provision.facts.adoption import ComposeFiles
from provision.facts.containers import ComposeContainers

COMPOSE = Path(sys.executable).parent / "docker-compose"
DIFYS = "docker-compose.yaml"


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
        (Choice([DIFYS, OVERRIDE]), "services: {a: {}}\n", f"/d/{OVERRIDE} is somebody's own"),
        (Choice([DIFYS, OVERRIDE]), "services: {}\n", None),
        (Choice([DIFYS, OVERRIDE]), "", None),
        (Choice([DIFYS, OVERRIDE]), " \r\n", None),
        (
            Choice([DIFYS, MINE]),
            None,
            f"/d/{MINE} is somebody's own; compose reads it, and {OVERRIDE}, which",
        ),
        (Choice([DIFYS, MINE, OVERRIDE]), f"{OURS}\n", f"/d/{MINE} is somebody's own; compose reads it"),
        (Choice([DIFYS, OVERRIDE], NAMED), f"{OURS}\n", f"compose would not read /d/{OVERRIDE}, which our"),
        (Choice([DIFYS, MINE], {"COMPOSE_FILE": f"{DIFYS}:./{OVERRIDE}:{MINE}"}), None, None),
        (Choice([DIFYS], {"COMPOSE_FILE": f"/d/{DIFYS}:/d/{OVERRIDE}"}), None, None),
        (Choice([DIFYS], {"COMPOSE_FILE": OVERRIDE}), "services: {a: {}}\n", f"/d/{OVERRIDE} is somebody's"),
        (Choice([DIFYS], {"COMPOSE_FILE": OVERRIDE}), "services: {}\n", None),
    ],
)
def test_what_keeps_our_override_from_being_read(
    choice: Choice, override: str | None, told: str | None
) -> None:
    found = obstacle(choice, "/d", override)
    assert (found and found.found.startswith(told)) if told else found is None


def line(container: str, service: str, project: str, folder: Path | str, *files: Path | str) -> str:
    return f"{container}|{service}|{project}|hash|{folder}|{','.join(map(str, files))}"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in Docker's place."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


@pytest.fixture
def labelled(docker: Path) -> Any:
    """A Docker that has containers with these labels."""

    def labelled(*lines: str) -> None:
        text = "\n".join(lines)
        docker.write_text(f'#!/bin/sh\n[ "$1" = ps ] && exec cat <<"END"\n{text}\nEND\n')

    return labelled


def test_whose_containers_are(folder: Path, tmp_path: Path, labelled: Any) -> None:
    define(folder, DIFYS, "data.yaml", "proxy.yaml")
    other = tmp_path / "a shop/docker"
    other.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder.parent)
    link, gone, windows = tmp_path / "link/docker", tmp_path / "gone/docker", r"C:\dify\docker"
    labelled(
        line("1", "api", "docker", folder, folder / DIFYS),
        line("2", "db", "docker", link, link / DIFYS, link / "data.yaml", link / "renamed since.yaml"),
        line("3", "db_postgres", "bot", link, link / DIFYS),
        line("4", "nginx", "proxy", folder, folder / "proxy.yaml"),
        line("5", "api", "docker", other, other / "mine.yaml"),
        line("6", "api", "docker", gone, gone / DIFYS),
        line("7", "nginx", "docker", gone, gone / DIFYS),
        line("8", "grafana", "docker", "/data/compose/7", "/data/compose/7/docker-compose.yml"),
        line("9", "api", "docker", windows, f"{windows}\\{DIFYS}"),
        line("10", "redis", "docker", "", ""),
        line("12", "api", "blog", r"C:\Users\nick\blog"),
        line("13", "api", "blog", r"C:\Users\chris\blog"),
        line("11", "grafana", "docker", folder, folder / "proxy.yaml"),
    )
    made = ask(ComposeContainers, folder=str(folder), files=[DIFYS])
    there = whose.started(made)
    assert {project: [each.id for each in those] for project, those in there.items()} == {
        "docker": ["1", "2", "11"],
        "bot": ["3"],
    }
    assert [each.files for each in there["docker"]] == [
        {DIFYS: True}, {DIFYS: True, "data.yaml": False}, {"proxy.yaml": False},
    ]  # fmt: skip
    assert whose.own(made, "docker") == ["1", "2", "3", "6", "7", "11"]
    assert whose.elsewhere(made, "blog") == [r"C:\Users\chris\blog", r"C:\Users\nick\blog"]
    assert whose.elsewhere(made, "docker") == sorted([str(other), windows])
    found = ask(ComposeContainers, folder=str(link), files=[f"./{DIFYS}", str(folder / "data.yaml")])
    assert found[1].files == {DIFYS: True, "data.yaml": True}


def test_no_container_is_no_docker_that_does_not_answer(folder: Path, docker: Path) -> None:
    docker.write_text("#!/bin/sh\n")
    assert ask(ComposeContainers, folder=str(folder)) == []
    docker.write_text("#!/bin/sh\nexit 1\n")
    assert ask(ComposeContainers, folder=str(folder)) is None
