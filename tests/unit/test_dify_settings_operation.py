"""Settings that a deploy writes, on a clone of the lab's Dify."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError
from writing_env import SECRETS, run

from provision.domain.adoption import OURS
from provision.domain.dotenv import values


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
