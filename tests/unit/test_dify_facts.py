"""What a host says of its Docker, and of Dify's installations there."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import ask

from provision.domain.adoption import OVERRIDE, Installation
from provision.facts.adoption import (
    ComposeFiles,
    ComposeProject,
    Installations,
    MadeByHand,
)
from provision.facts.containers import (
    ComposeStack,
    Stack,
)
from provision.facts.docker import ComposeVersion, DockerDesktop, NginxVariables, OutOfReach
from provision.templates import render


@pytest.mark.parametrize(
    ("system", "code", "desktop"),
    [("Docker Desktop", 0, True), ("Debian GNU/Linux 13 (trixie)", 0, False), ("", 1, False)],
)
def test_docker_desktop_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, code: int, desktop: bool
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n[ \"$1 $2\" = 'info --format' ] || exit 9\necho '{system}'\nexit {code}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask(DockerDesktop) is desktop


@pytest.mark.parametrize(
    ("linked", "answers", "socket", "told"),
    [
        ("/usr/bin/snap", True, False, "snap"),
        ("/snap/docker/1/bin/docker", True, False, "snap"),
        ("/usr/bin/docker", True, True, ""),
        ("/usr/bin/docker", False, True, "rootless"),
        ("/usr/bin/docker", False, False, ""),
    ],
)
def test_an_engine_out_of_roots_reach(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    linked: str,
    answers: bool,
    socket: bool,
    told: str,
) -> None:
    for name, script in {
        "docker": f"[ $1 = info ] && {'true' if answers else 'false'}",
        "readlink": f'[ "$*" = "-f {tmp_path}/docker" ] && echo {linked}',
        "ls": f"[ $1 = '/run/user/*/docker.sock' ] && {'true' if socket else 'false'}",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask(OutOfReach) == told


def test_compose() -> None:
    assert ComposeStack().process([]) == Stack()
    assert ComposeVersion().process(["v2.40.3-desktop.1"]) == "2.40.3-desktop.1"
    assert ComposeVersion().process([]) == ""


def test_installations_are_known_by_their_api() -> None:
    assert Installations().process([
        "langgenius/dify-api:1.3.1 docker /home/gx/dify/docker",
        "hub.example.com/langgenius/dify-api@sha256:ab docker /srv/my dify/docker",
        "example/api:1 shop /srv/shop",
    ]) == [
        Installation("/home/gx/dify/docker", "docker"),
        Installation("/srv/my dify/docker", "docker"),
    ]  # fmt: skip


def test_an_installation_without_our_override_was_made_by_hand(tmp_path: Path) -> None:
    folder = tmp_path / "a dify" / "docker"
    folder.mkdir(parents=True)
    assert not ask(MadeByHand, folder=str(folder))  # not installed yet: ours are made from here
    (folder / ".env").write_text(" \r\n")
    assert not ask(MadeByHand, folder=str(folder))  # a write that was cut
    (folder / ".env").write_bytes("# 我的\nA=1\n".encode("gbk"))
    assert ask(MadeByHand, folder=str(folder))
    override = folder / OVERRIDE
    override.write_text("services: {}\n")
    assert ask(MadeByHand, folder=str(folder))
    override.write_text(render(f"{OVERRIDE}.j2", desktop=False, plugin_debugging_port=None))
    assert not ask(MadeByHand, folder=str(folder))


@pytest.mark.parametrize(
    ("env", "project"),
    [
        (None, "docker"),
        ("A=1\n", "docker"),
        ("COMPOSE_PROJECT_NAME=\n", "docker"),
        ("COMPOSE_PROJECT_NAME=bot\n", "bot"),
        ('export COMPOSE_PROJECT_NAME="my bot"\nCOMPOSE_PROJECT_NAME=bot # mine\n', "bot"),
        ("COMPOSE_PROJECT_NAME='bot\n", "docker"),
    ],
)
def test_what_compose_calls_a_folder(tmp_path: Path, env: str | None, project: str) -> None:
    folder = tmp_path / "docker"
    folder.mkdir()
    if env is not None:
        (folder / ".env").write_text(env)
    assert ask(ComposeProject, folder=str(folder)) == project


def test_what_the_shell_calls_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=bot")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "shell")
    assert ask(ComposeProject, folder=str(tmp_path)) == "shell"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_lines_that_are_no_utf_8_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """pyinfra would print a traceback over them, and grep say something else in their place."""
    monkeypatch.setenv("LC_ALL", locale)
    lines = (
        "# 我的",
        "COMPOSE_PROJECT_NAME=bot # 项目",
        "EXPOSE_NGINX_PORT=81 # 端口",
        "COMPOSE_FILE=a.yaml # 文件",
    )
    (tmp_path / ".env").write_text("\n".join(lines), encoding="gbk")
    assert ask(ComposeProject, folder=str(tmp_path)) == "bot"
    assert ask(NginxVariables, folder=str(tmp_path)) == {"EXPOSE_NGINX_PORT": "81"}
    assert ask(ComposeFiles, folder=str(tmp_path)).files == ["a.yaml"]
