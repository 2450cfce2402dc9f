"""The operation that writes Dify's .env, run by pyinfra on this machine, on a clone of the lab's Dify."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.context import ctx_state

from lab.dify import repository
from provision.domain.adoption import OURS
from provision.domain.deployment import Deployment
from provision.domain.dotenv import values
from provision.domain.secrets import DIFY
from provision.domain.settings import DifySettings
from provision.operations import dify_stack

SECRETS = {name: f"k7of{name.replace('-', '')}" for name in DIFY} | {"init-password": "k7init"}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("git") / "dify.git"
    repository.build(target)
    return target


@pytest.fixture
def clone(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dify_stack, "secret", SECRETS.__getitem__)
    return cloned(upstream, "1.16.1", tmp_path / "dify")


def cloned(upstream: Path, version: str, folder: Path) -> Path:
    quiet = ["git", "-c", "advice.detachedHead=false", "clone", "-q"]
    subprocess.run([*quiet, "--branch", version, upstream, folder], check=True)
    return folder


def run(clone: Path, **settings: object) -> bool:
    """Run the operation as a deploy would; whether it changed something.

    Raises:
        PyinfraError: it failed.
    """
    deployment = Deployment({}, "@local", DifySettings(folder=str(clone), **settings), "http://bot.lan:81")
    state = State(Inventory((["@local"], {})), Config())
    with ctx_state.use(state):
        connect_all(state)
        try:
            result = add_op(state, dify_stack.settings, name="Write .env", deployment=deployment)
            run_ops(state)
            return bool(next(iter(result.values())).changed)
        finally:
            disconnect_all(state)


def test_a_first_run_writes_what_nobody_else_knows_and_a_second_nothing(
    clone: Path, said: pytest.LogCaptureFixture
) -> None:
    env = clone / "docker/.env"
    assert run(clone)
    found = values(env.read_text())
    assert found["EXPOSE_NGINX_PORT"] == "81"
    assert found["APP_WEB_URL"] == "http://bot.lan:81"
    assert found["DB_PASSWORD"] == SECRETS["dify-db-password"]
    assert env.stat().st_mode & 0o777 == 0o600
    assert not any(secret in said.text for secret in SECRETS.values())
    assert "~ EXPOSE_NGINX_PORT: 80 → 81" in said.text
    assert "~ DB_PASSWORD: … → …" in said.text
    assert "everybody knows" not in said.text
    before = env.read_bytes()
    assert not run(clone)
    assert env.read_bytes() == before


def test_a_file_of_the_owners_keeps_its_lines_and_its_secrets(
    clone: Path, said: pytest.LogCaptureFixture
) -> None:
    env = clone / "docker/.env"
    example = (clone / "docker/.env.example").read_text()
    assert run(clone)
    managed = env.read_text()
    mine = example.replace("EXPOSE_NGINX_PORT=80", "EXPOSE_NGINX_PORT=8080 # by hand").replace(
        "DB_PASSWORD=difyai123456", "DB_PASSWORD=hunter2"
    )
    env.write_text(f"# my Dify\n{mine}SMTP_PASSWORD='a b'\n".replace("\n", "\r\n"), newline="")
    said.clear()
    assert run(clone)
    text = env.read_bytes().decode()
    assert text.startswith("# my Dify\r\n")
    assert "EXPOSE_NGINX_PORT=81 # by hand\r\n" in text
    assert text.count("\n") == text.count("\r\n")
    assert values(text)["DB_PASSWORD"] == "hunter2"
    assert values(text)["SECRET_KEY"] == ""
    assert values(text)["SMTP_PASSWORD"] == "a b"
    assert values(text)["APP_WEB_URL"] == values(managed)["APP_WEB_URL"]
    assert "hunter2" not in said.text
    assert (
        "everybody knows SANDBOX_API_KEY and CODE_EXECUTION_API_KEY of this Dify: set the same in"
        in said.text
    )
    assert "everybody knows DB_PASSWORD" not in said.text


@pytest.mark.parametrize("blank", [None, b"", b" \r\n"])
def test_data_without_its_env_is_never_given_another_password(
    clone: Path, said: pytest.LogCaptureFixture, blank: bytes | None
) -> None:
    env = clone / "docker/.env"
    if blank is not None:
        env.write_bytes(blank)  # as a write that was cut leaves it
    data = clone / "docker/volumes/db/data/pgdata"
    data.mkdir(parents=True)
    (data / "PG_VERSION").touch()
    with pytest.raises(PyinfraError):
        run(clone)
    assert (env.read_bytes() if env.exists() else None) == blank
    assert not (clone / "docker/docker-compose.override.yaml").exists()  # by which it would be ours next time
    assert "volumes/db/data/pgdata/PG_VERSION exists but" in said.text
    assert "Restore .env from a backup" in said.text


def test_a_blank_env_without_data_is_written_as_at_first(clone: Path) -> None:
    (clone / "docker/.env").touch()
    assert run(clone)
    assert values((clone / "docker/.env").read_text())["DB_PASSWORD"] == SECRETS["dify-db-password"]


def test_what_was_edited_in_the_example_itself_counts_at_first(clone: Path) -> None:
    example = clone / "docker/.env.example"
    example.write_text(example.read_text().replace("LOG_TZ=UTC", "LOG_TZ=Asia/Shanghai"))
    assert run(clone)
    assert values((clone / "docker/.env").read_text())["LOG_TZ"] == "Asia/Shanghai"


def test_a_file_that_compose_would_refuse_is_left_and_its_line_named(
    clone: Path, said: pytest.LogCaptureFixture
) -> None:
    env = clone / "docker/.env"
    env.write_text("A=1\nDB_PASSWORD='hunter2\n")
    with pytest.raises(PyinfraError):
        run(clone)
    assert env.read_text() == "A=1\nDB_PASSWORD='hunter2\n"
    assert "docker/.env: line 2: the quote is not closed" in said.text
    assert "hunter2" not in said.text


def test_a_file_that_is_no_utf_8_is_left(clone: Path, said: pytest.LogCaptureFixture) -> None:
    """And what is said to do mends it."""
    env = clone / "docker/.env"
    text = "A=1\n# 我的\nCOMPOSE_PROJECT_NAME=docker # 项目\nEXPOSE_NGINX_PORT=81 # 端口\n"
    env.write_bytes(text.encode("gbk"))
    with pytest.raises(PyinfraError):
        run(clone)
    assert env.read_bytes() == text.encode("gbk")
    assert f"@local: {env}, line 2, is no UTF-8. If it was written in GBK: `cp" in said.text
    subprocess.run(["sh", "-c", said.text.partition("GBK: `")[2].partition("`")[0]], check=True)
    assert env.read_text() == text
    assert not run(clone)  # made by hand, and left


def test_the_release_that_runs_is_set_up_whatever_the_pin_says(
    clone: Path, said: pytest.LogCaptureFixture
) -> None:
    env = clone / "docker/.env"
    env.write_text((clone / "docker/.env.example").read_text())
    (clone / "docker/docker-compose.override.yaml").write_text(f"{OURS}\n")
    assert run(clone, version="1.17.1")
    assert values(env.read_text())["APP_WEB_URL"] == "http://bot.lan:81"
    assert "everybody knows DB_PASSWORD of this Dify: first in the database" in said.text
    assert not run(clone, version="1.17.1")


def test_a_clone_on_no_tag_is_left_as_it_is(clone: Path) -> None:
    docker = clone / "docker"
    (docker / "docker-compose.yaml").write_text("services: {}\n")
    git = ("git", "-C", clone, "-c", "user.name=me", "-c", "user.email=me@example.com")
    subprocess.run([*git, "commit", "-qam", "my own"], check=True)
    env = docker / ".env"
    env.write_text("MINE=1\n")
    assert not run(clone, take_over=True)
    assert env.read_text() == "MINE=1\n"
    assert not (docker / "docker-compose.override.yaml").exists()


def test_what_an_own_variable_holds_is_not_shown(clone: Path, said: pytest.LogCaptureFixture) -> None:
    assert run(clone, env={"MINE": "hunter2"})
    assert "+ MINE=…" in said.text
    assert "hunter2" not in said.text
    assert values((clone / "docker/.env").read_text())["MINE"] == "hunter2"


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


def test_one_of_our_own_that_names_other_files_is_told(clone: Path, said: pytest.LogCaptureFixture) -> None:
    assert run(clone)
    before = (clone / "docker/.env").read_bytes()
    with pytest.raises(PyinfraError):
        run(clone, env={"COMPOSE_FILE": "docker-compose.yaml"})
    assert "compose would not read" in said.text
    assert (clone / "docker/.env").read_bytes() == before


OVERRIDE_OF = "docker/docker-compose.override.yaml"


def test_an_override_is_written_whole_or_not_at_all(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has a file its name before it is on the disk."""
    override, staged = clone / OVERRIDE_OF, clone / f"{OVERRIDE_OF}.new"
    override.touch()  # as an earlier run may have left it
    sync = clone.parent / "bin/sync"
    sync.parent.mkdir()
    sync.touch(0o755)
    sync.write_text("#!/bin/sh\nexit 1\n")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{sync.parent}:{path}")
    with pytest.raises(PyinfraError):
        run(clone)
    assert override.read_text() == ""
    monkeypatch.setenv("PATH", path)
    assert run(clone)
    written = override.read_bytes()
    assert written.decode().startswith(OURS)
    assert override.stat().st_mode & 0o777 == 0o644
    staged.mkdir()  # in place of a full disk: nothing can be written
    with pytest.raises(PyinfraError):
        run(clone, plugin_debugging_port=5003)
    assert override.read_bytes() == written
    staged.rmdir()
    assert run(clone, plugin_debugging_port=5003)
    assert override.read_bytes() != written
    assert not staged.exists()


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
