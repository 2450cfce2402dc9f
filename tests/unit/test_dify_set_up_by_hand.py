"""Settings of a Dify that somebody set up, and what becomes of them when they are taken over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError
from writing_env import SECRETS, cloned, run

from provision.domain.adoption import OURS
from provision.domain.dotenv import values
from provision.operations import dify_stack


@pytest.fixture
def notes(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in the notes: 1.3.1, ``.env.example`` copied and then edited in place, both on port 81."""
    monkeypatch.setattr(dify_stack, "secret", SECRETS.__getitem__)
    folder = cloned(upstream, "1.3.1", tmp_path / "by-hand")
    example, env = folder / "docker/.env.example", folder / "docker/.env"
    edited = example.read_text().replace("EXPOSE_NGINX_PORT=80", "EXPOSE_NGINX_PORT=81")
    example.write_text(edited)
    env.write_text(f"{edited}MINE=hunter2\n")
    return folder


def test_what_was_set_up_by_hand_is_told_and_left(notes: Path, said: pytest.LogCaptureFixture) -> None:
    files = {path: path.read_bytes() for path in (notes / "docker").rglob("*") if path.is_file()}
    assert not run(notes, version="1.3.1")
    assert {path: path.read_bytes() for path in (notes / "docker").rglob("*") if path.is_file()} == files
    assert "was set up by hand and runs on as it is. dify.take_over = True would make" in said.text
    assert "~ APP_WEB_URL: empty → http://bot.lan:81" in said.text
    assert "+ docker-compose.override.yaml" in said.text
    assert "EXPOSE_NGINX_PORT" not in said.text
    assert "everybody knows SECRET_KEY of this Dify" in said.text
    assert "hunter2" not in said.text


def test_what_is_taken_over_follows_the_settings_and_keeps_the_owners_lines(
    notes: Path, said: pytest.LogCaptureFixture
) -> None:
    env, override = notes / "docker/.env", notes / "docker/docker-compose.override.yaml"
    override.write_text("services: {}\n")
    for file in (env, override):
        os.chown(file, 4321, 4322)  # of nobody known: whoever it is can still call docker compose there
    assert run(notes, version="1.3.1", take_over=True)
    found = values(env.read_text())
    whose = [
        (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) for file in (env, override)
    ]
    assert whose == [(4321, 4322, 0o600), (4321, 4322, 0o644)]
    assert (found["APP_WEB_URL"], found["MINE"]) == ("http://bot.lan:81", "hunter2")
    assert found["DB_PASSWORD"] == "difyai123456"  # the data's own, whatever everybody knows
    assert (notes / "docker/docker-compose.override.yaml").read_text().startswith(OURS)
    said.clear()
    assert not run(notes, version="1.3.1")  # from now on it is ours
    assert "set up by hand" not in said.text


def test_an_override_of_the_owners_is_left_and_stops_who_takes_over(
    notes: Path, said: pytest.LogCaptureFixture
) -> None:
    override = notes / "docker/docker-compose.override.yaml"
    override.write_text("services: {api: {}}\n")
    assert not run(notes, version="1.3.1")
    assert "+ docker-compose.override.yaml, once yours is moved away" in said.text
    with pytest.raises(PyinfraError):
        run(notes, version="1.3.1", take_over=True)
    assert override.read_text() == "services: {api: {}}\n"
    assert "is somebody's own" in said.text


@pytest.mark.parametrize(
    ("name", "env", "told"),
    [
        (
            "docker-compose.override.yml",
            "",
            "is somebody's own; compose reads it, and docker-compose.override",
        ),
        ("data.yaml", "COMPOSE_FILE=docker-compose.yaml:data.yaml\n", "compose would not read"),
    ],
)
def test_an_override_that_would_not_be_read_is_not_written(
    notes: Path, said: pytest.LogCaptureFixture, name: str, env: str, told: str
) -> None:
    docker = notes / "docker"
    (docker / name).write_text("services: {api: {}}\n")
    with (docker / ".env").open("a") as file:
        file.write(env)
    before = (docker / ".env").read_bytes()
    assert not run(notes, version="1.3.1")
    assert "+ docker-compose.override.yaml, once " in said.text
    with pytest.raises(PyinfraError):
        run(notes, version="1.3.1", take_over=True)
    assert told in said.text
    assert (docker / ".env").read_bytes() == before
    assert not (docker / "docker-compose.override.yaml").exists()
    # As the advice says.
    (docker / name).rename(docker / "mine.yaml")
    named = {"COMPOSE_FILE": "docker-compose.yaml:docker-compose.override.yaml:mine.yaml"}
    assert run(notes, version="1.3.1", take_over=True, env=named)
    assert (docker / "docker-compose.override.yaml").read_text().startswith(OURS)


@pytest.mark.parametrize("name", [".env", "docker-compose.override.yaml"])
def test_settings_behind_a_link_are_left(notes: Path, said: pytest.LogCaptureFixture, name: str) -> None:
    """In the words of a backup."""
    docker = notes / "docker"
    target = notes.parent / "shared"
    if name == ".env":
        (docker / name).rename(target)
    else:
        target.write_text(f"{OURS}\n")
    (docker / name).symlink_to(target)
    before = {path: path.read_bytes() for path in (*docker.glob("*"), target) if path.is_file()}
    if name == ".env":
        assert not run(notes, version="1.3.1")  # it is the owner's, and nothing would be written
    with pytest.raises(PyinfraError):
        run(notes, version="1.3.1", take_over=True)
    assert {path: path.read_bytes() for path in (*docker.glob("*"), target) if path.is_file()} == before
    assert (docker / name).is_symlink()
    assert f"{name} is a link to {target}, of which a backup would keep the link only" in said.text
