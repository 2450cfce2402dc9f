"""Git as root runs it on a host, by this machine's git."""

from __future__ import annotations

import shlex
import socket
import subprocess
from pathlib import Path

import pytest
from test_facts import ask

from provision.domain.git import GIT
from provision.facts.dify_env import ExampleEnv
from provision.facts.git import CheckedOutTag, EditedFiles


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who sets nothing, where temporary files lie too."""
    folder = tmp_path / "h o"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    return folder


def ours(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = f"{GIT} {shlex.join(arguments)}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=30)


def said(*arguments: str) -> list[str]:
    return ours(*arguments).stdout.splitlines()


def test_a_clone_that_somebody_else_made(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "a 'clone'"
    (clone / "docker").mkdir(parents=True)
    (clone / "docker/.env.example").write_text("A=1\n")
    git = ["git", "-C", str(clone), "-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "m"], ["tag", "1.16.1"]):
        subprocess.run([*git, *words], check=True)
    (clone / "docker/.env.example").write_text("A=2\n")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own, for its tests of this
    plain = subprocess.run([*git, "describe", "--tags"], capture_output=True, text=True, check=False)
    assert "dubious ownership" in plain.stderr
    assert ask(CheckedOutTag, path=str(clone)) == "1.16.1"
    assert ask(EditedFiles, path=str(clone)) == ["docker/.env.example"]
    assert ask(ExampleEnv, folder=str(clone), tag="1.16.1").env == "A=1\n"
    assert not list(home.iterdir())  # nothing is left behind
    # Not by command line or environment, which git does not believe up to 2.37.
    assert said("config", "--show-scope", "--get-all", "safe.directory") == ["global\t*"]


@pytest.mark.parametrize("place", [".gitconfig", ".config/git/config", "elsewhere/git/config", "named"])
def test_what_root_has_set_still_counts(place: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[http]\n\tproxy = http://proxy.lan:3128\n\tlowSpeedTime = 300\n")
    if place.startswith("elsewhere"):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "elsewhere"))
    if place == "named":
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    assert said("config", "http.proxy") == ["http://proxy.lan:3128"]
    assert said("config", "http.lowSpeedTime") == ["300"]
    assert said("config", "http.lowSpeedLimit") == ["1000"]


def test_a_silent_server_is_given_up(home: Path) -> None:
    assert said("config", "http.lowSpeedTime") == ["60"]
    (home / ".gitconfig").write_text("[http]\n\tlowSpeedTime = 1\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = ours("ls-remote", f"http://127.0.0.1:{silent.getsockname()[1]}/dify.git")
    assert done.returncode == 128
    assert "Less than 1000 bytes/sec" in done.stderr


def test_failures_stay_failures(home: Path) -> None:
    assert ours("-C", str(home), "rev-parse", "HEAD").returncode == 128
