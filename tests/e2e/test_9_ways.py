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
WSLCONFIG = "/mnt/c/Users/莫非/.wslconfig"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

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


# Runs on Windows' drive. Its programs change the same state whenever they like: the stand-ins' own lock keeps
# two writers apart, and nothing is touched but what is named.
EDIT = """
import json, sys
sys.path.insert(0, "/mnt/c/lab")
from standins import state
locale, wsl = json.loads(sys.argv[1])
with state.changing() as machine:
    print(json.dumps([machine["locale"], machine["wsl"]]))
    machine["locale"] = locale or machine["locale"]
    machine["wsl"] = {**machine["wsl"], **wsl}
"""


@pytest.fixture
def windows(on: Callable[..., str]) -> Iterator[Callable[..., None]]:
    """Change WSL, or the language, of Windows' stand-ins; it is put back afterwards."""
    before: list[str] = []

    def change(locale: str | None = None, **wsl: object) -> None:
        before.append(on("windows", "python3", "-c", EDIT, json.dumps([locale, wsl])))

    yield change
    for parts in reversed(before):
        on("windows", "python3", "-c", EDIT, parts)


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
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert expected in said


@pytest.mark.full
def test_wsl_is_restarted_over_windows_and_has_no_rights_over_it(on: Callable[..., str]) -> None:
    """The session is an administrator's; who starts a distribution hands on rights to all that runs there."""
    on("dify-wsl", "sed", "-i", r"s/^vmIdleTimeout.*\r/vmIdleTimeout = 60000\r/", WSLCONFIG)
    boot = on("dify-wsl", "cat", BOOT_ID)
    run = apply("--data", 'dify={"allow_wsl_restart": true}', inventory=WSL)
    assert run.code == 0, run.output[-4000:]
    assert list(run.changed) == ["WSL | Have WSL stay up", "WSL | Restart WSL if its settings need it"]
    assert on("dify-wsl", "cat", BOOT_ID) != boot
    assert on("windows", "cat", "/mnt/c/lab/running/Debian").strip() == "unelevated"
    assert apply().changed == {}


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
