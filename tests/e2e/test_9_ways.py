"""The Dify host reached in other ways: it is the same machine, so nothing changes; and work can be done."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator

import pytest
from conftest import Run, apply, writes_at_the_door

from lab import addresses, lifecycle, paths, pip_settings
from lab.docker import Docker

pytestmark = pytest.mark.usefixtures("converged")

WSL = "tests/e2e/inventories/wsl.py"
LOCAL = "tests/e2e/inventories/local.py"
CONTAINER = "dvd-lab-dify-wsl"
CHECKOUT = "/root/dify-vllm-deploy"
KEYS = "/mnt/c/ProgramData/ssh/administrators_authorized_keys"
STATE = "/mnt/c/lab/state.json"

Way = Callable[..., Run]


@pytest.fixture
def checkout(docker: Docker) -> list[str]:
    """This project on the Dify host, with what it needs; returns how a command is run in it."""
    skipped = {".git", ".venv", ".lab", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as archive:
        for entry in sorted(paths.ROOT.iterdir()):
            if entry.name not in skipped:
                archive.add(entry, f"{CHECKOUT[1:]}/{entry.name}")
        archive.add(paths.SSH_FOLDER, f"{CHECKOUT[1:]}/{paths.SSH_FOLDER.relative_to(paths.ROOT)}")
    docker.run("cp", "-", f"{CONTAINER}:/", stdin=tape.getvalue())
    # The inventory asks pip where the model hosts get their packages: it is to be told the same there.
    folders = [str(folder) for folder in pip_settings.machine_folders()]
    docker.exec(CONTAINER, "mkdir", "-p", *folders, "/tmp")
    told = {"PIP_INDEX_URL": pip_settings.index_url(), "PIP_FIND_LINKS": " ".join(folders)}
    settings = [word for name, value in told.items() if value for word in ("--env", f"{name}={value}")]
    inside = ["docker", "exec", "--workdir", CHECKOUT, *settings, CONTAINER]
    for command in (
        "python3 -m venv .venv",
        ".venv/bin/pip install --quiet --require-hashes -r requirements/run.txt",
        ".venv/bin/pip install --quiet --no-deps -e .",
    ):
        subprocess.run([*inside, *command.split()], check=True, env=docker.environment())
    return inside


@pytest.fixture(params=["wsl", pytest.param("local", marks=pytest.mark.full)])
def way(request: pytest.FixtureRequest, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> Way:
    """A run of the deploy that reaches the Dify host in this way."""
    if request.param == "wsl":
        return functools.partial(apply, inventory=WSL)
    for name, value in docker.environment().items():
        monkeypatch.setenv(name, value)
    program = [*request.getfixturevalue("checkout"), f"{CHECKOUT}/.venv/bin/pyinfra"]
    return functools.partial(apply, inventory=LOCAL, program=program)


def test_another_way_changes_nothing(way: Way, on: Callable[..., str]) -> None:
    written = writes_at_the_door(on)
    run = way()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {}
    assert run.report["results"]["totals"]["success"] == 0
    assert writes_at_the_door(on) == written


@pytest.mark.full
def test_a_change_made_over_it_is_seen_by_the_others(way: Way, on: Callable[..., str]) -> None:
    other = ["--data", f"dify={json.dumps({'bot': {'prompt': 'tests/e2e/other_prompt.md'}})}"]
    written = len(writes_at_the_door(on))
    run = way(*other)
    assert run.code == 0, run.output[-4000:]
    assert list(run.changed) == ["Wiring | Create and publish the chatbot"]
    assert len(writes_at_the_door(on)) > written
    assert apply(*other).changed == {}
    assert list(way().changed) == ["Wiring | Create and publish the chatbot"]
    assert apply().changed == {}


def over_windows(*arguments: str) -> subprocess.CompletedProcess[str]:
    """pyinfra against the Dify host alone, through Windows."""
    return subprocess.run(
        ["pyinfra", "-y", WSL, "--limit", f"@wsl/{addresses.WINDOWS.ip}", *arguments],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
    )  # fmt: skip


def test_every_kind_of_command_and_file_gets_through() -> None:
    done = over_windows("tests/e2e/deploys/wsl_commands.py")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.fixture
def windows(docker: Docker) -> Iterator[Callable[..., None]]:
    """Change the state of Windows' stand-ins; it is put back afterwards."""
    name = "dvd-lab-windows"
    before = docker.exec(name, "cat", STATE).stdout

    def write(state: str) -> None:
        # Whole or not at all: Windows reads it all the time.
        docker.exec(name, "sh", "-c", f"cat >{STATE}.new && mv {STATE}.new {STATE}", stdin=state)

    def change(**parts: object) -> None:
        state = json.loads(before)
        state["locale"] = parts.pop("locale", state["locale"])
        state["wsl"] |= parts
        write(json.dumps(state))

    yield change
    write(before)


@pytest.fixture
def bare_dify(docker: Docker) -> None:
    """The Dify host as it was before anything was done to it; the models' hosts keep what they have."""
    docker.run("rm", "--force", "--volumes", CONTAINER)
    lifecycle.up()


@pytest.mark.full
@pytest.mark.usefixtures("bare_dify")  # made bare before the way to it is prepared
def test_a_bare_dify_host_is_deployed_to(way: Way, on: Callable[..., str]) -> None:
    run = way()
    assert run.code == 0, run.output[-4000:]
    assert "Dify | Start Dify" in run.changed
    assert len(writes_at_the_door(on)) >= 10
    assert way().changed == {}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"distributions": ["Kali"], "default": "Kali"}, "distribution of that name (Debian); it has Kali"),
        ({"kind": "store", "locale": "zh-CN"}, "set wsl_exe to C:\\Program Files\\WSL\\wsl.exe"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_windows_is_said(
    windows: Callable[..., None], parts: dict[str, object], expected: str
) -> None:
    windows(**parts)
    done = over_windows("exec", "--", "true")
    assert done.returncode == 1
    assert expected in " ".join((done.stdout + done.stderr).split())


def test_a_key_file_that_others_may_write_is_not_taken(on: Callable[..., str]) -> None:
    on("windows", "chmod", "666", KEYS)
    try:
        done = over_windows("exec", "--", "true")
    finally:
        on("windows", "chmod", "600", KEYS)
    assert done.returncode == 1
    assert "administrators_authorized_keys" in done.stderr
    assert "only Administrators and SYSTEM" in done.stderr
    assert over_windows("exec", "--", "true").returncode == 0
