"""What git says of a clone."""

from __future__ import annotations

import subprocess
from pathlib import Path

from asking import ask

from provision.facts.dify_env import ExampleEnv, OptionalEnvFiles
from provision.facts.git import CheckedOutTag, EditedFiles


def test_a_work_tree_on_a_tag_and_on_none(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"], ["tag", "1.16.1"]):
        subprocess.run([*git, *words], check=True)
    assert ask(CheckedOutTag, path=str(tmp_path)) == "1.16.1"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "n"], check=True)
    subprocess.run([*git, "tag", "mine"], check=True)  # no release's name
    assert ask(CheckedOutTag, path=str(tmp_path)) == "?"


def test_a_commit_with_the_docker_folder_of_a_release_is_that_release(tmp_path: Path) -> None:
    """As in a clone of the newest commit, which is seldom the release's own."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    compose = tmp_path / "docker/docker-compose.yaml"
    compose.parent.mkdir()

    def commit(text: str) -> None:
        compose.write_text(text)
        for words in (["add", "."], ["commit", "-q", "--allow-empty", "-m", "m"]):
            subprocess.run([*git, *words], check=True)

    subprocess.run([*git, "init", "-q"], check=True)
    released = "services:\n  api:\n    image: langgenius/dify-api:1.3.1\n"
    commit(released)
    assert ask(CheckedOutTag, path=str(tmp_path)) == "?"  # it names a release that is no tag yet
    subprocess.run([*git, "tag", "1.3.1"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "later"], check=True)
    compose.write_text("edited in place\n")
    assert ask(CheckedOutTag, path=str(tmp_path)) == "1.3.1"
    commit(f"{released}    restart: always\n")
    assert ask(CheckedOutTag, path=str(tmp_path)) == "?"


def test_what_a_tag_says_about_its_settings_and_not_what_an_owner_made_of_it(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    docker = tmp_path / "docker"
    for path, content in {
        ".env.example": "EXPOSE_NGINX_PORT=80\n",
        "docker-compose.yaml": "services: {}\n",
        "envs/core-services/api.env.example": "A=é\r\n",
        "envs/middleware.env.example": "B=1\n",
        "nginx/nginx.conf": "user nginx;\n",
    }.items():
        (docker / path).parent.mkdir(parents=True, exist_ok=True)
        (docker / path).write_text(content, newline="")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "m"], ["tag", "1.16.1"]):
        subprocess.run([*git, *words], check=True)
    (docker / ".env.example").write_text("EXPOSE_NGINX_PORT=81\n")
    (docker / "envs/core-services/api.env").write_text("A=mine\n")
    found = ask(ExampleEnv, folder=str(tmp_path), tag="1.16.1")
    assert found.env == "EXPOSE_NGINX_PORT=80\n"
    assert found.optional == {"envs/core-services/api.env": "A=é\r\n"}
    assert found.compose == "services: {}\n"
    assert ask(ExampleEnv, folder=str(tmp_path), tag="9.9.9") == ExampleEnv.default()
    assert ask(ExampleEnv, folder=str(tmp_path), tag="?") == ExampleEnv.default()
    assert ask(OptionalEnvFiles, folder=str(docker)) == ["envs/core-services/api.env"]


def test_edited_files_of_a_work_tree(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for name in ("a", "b", "文"):
        (tmp_path / name).write_text("1")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "m"]):
        subprocess.run([*git, *words], check=True)
    assert ask(EditedFiles, path=str(tmp_path)) == []
    (tmp_path / "b").write_text("2")
    (tmp_path / "文").unlink()
    (tmp_path / "own").write_text("3")
    assert ask(EditedFiles, path=str(tmp_path)) == ["b", "文"]
