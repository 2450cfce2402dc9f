"""The download program as it runs on a model host: real client, real hub, and what goes wrong between."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_process import MODEL, ROOT, WEIGHTS, WEIGHTS_SIZE, Hub, contents

Result = subprocess.CompletedProcess[str]
Fetch = Callable[..., Result]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "some-model"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging" / "some-model"


@pytest.fixture
def command(hub: Hub, target: Path, staging: Path) -> list[str]:
    program = ROOT / "templates" / "fetch_model.py"
    places = ["--target", str(target), "--staging", str(staging)]
    return [sys.executable, str(program), MODEL, *places, "--endpoint", hub.endpoint]


@pytest.fixture
def fetch(command: list[str], client_environment: dict[str, str]) -> Fetch:
    def run(*more: str) -> Result:
        return subprocess.run(
            [*command, *more], env=client_environment, capture_output=True, text=True, timeout=120
        )

    return run


def complaint(result: Result) -> str:
    """The program's own line on stderr; there must be exactly one, and exit code 1."""
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("fetch_model: ")]
    return line


def test_the_model_is_in_place_with_its_manifest(hub: Hub, fetch: Fetch, target: Path, staging: Path) -> None:
    result = fetch()
    assert result.returncode == 0, result.stderr
    assert "3 files, 3.0 MB" in result.stdout.splitlines()[-1]
    found = contents(target)
    manifest = json.loads(found.pop(".manifest.json"))
    assert found == hub.contents()
    assert (manifest["model"], manifest["revision"]) == (MODEL, "master")
    assert {file["path"]: file["size"] for file in manifest["files"]} == {
        path: len(content) for path, content in found.items()
    }
    assert not staging.exists()


def test_another_user_can_read_all_of_it(fetch: Fetch, target: Path) -> None:
    fetch()
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in [target, *target.rglob("*")]}
    assert modes == {True: 0o755, False: 0o644}


def test_a_complete_target_asks_nothing_of_the_hub(hub: Hub, fetch: Fetch) -> None:
    fetch()
    hub.forget()
    for arguments in ((), ("--verify",)):
        assert fetch(*arguments).returncode == 0
    assert hub.requests() == []


def test_a_file_of_another_size_is_replaced_and_nothing_else_fetched(
    hub: Hub, fetch: Fetch, target: Path
) -> None:
    fetch()
    (target / "config.json").write_text("{}")
    hub.forget()
    assert fetch().returncode == 0
    assert contents(target).items() >= hub.contents().items()
    assert not any(WEIGHTS in request["path"] for request in hub.requests())


def test_a_tampered_file_is_found_and_replaced_on_demand(hub: Hub, fetch: Fetch, target: Path) -> None:
    fetch()
    (target / WEIGHTS).write_bytes(b"X" * WEIGHTS_SIZE)
    assert "complete" in fetch().stdout
    result = fetch("--verify")
    assert f"{WEIGHTS}: SHA-256" in result.stdout
    assert contents(target).items() >= hub.contents().items()


@pytest.mark.parametrize("kind", ["cut", "corrupt", "stall", "500"])
def test_a_passing_fault_does_no_harm(hub: Hub, fetch: Fetch, target: Path, kind: str) -> None:
    hub.break_file(kind, times=1)
    result = fetch()
    assert result.returncode == 0, result.stderr
    assert contents(target).items() >= hub.contents().items()


@pytest.mark.parametrize("kind", ["corrupt", "404"])
def test_a_lasting_fault_leaves_no_target_and_is_made_good_later(
    hub: Hub, fetch: Fetch, target: Path, kind: str
) -> None:
    hub.break_file(kind)
    assert "run again" in complaint(fetch())
    assert not target.exists()
    hub.repair()
    assert fetch().returncode == 0


def test_a_killed_download_goes_on_where_it_stopped(
    hub: Hub,
    command: list[str],
    client_environment: dict[str, str],
    fetch: Fetch,
    staging: Path,
    target: Path,
) -> None:
    hub.break_file("stall", times=1)
    patient = client_environment | {"MODELSCOPE_DOWNLOAD_TIMEOUT": "60"}
    with subprocess.Popen(command, env=patient) as process:
        half = staging / f"{WEIGHTS}.incomplete"
        deadline = time.monotonic() + 30
        while not (half.exists() and half.stat().st_size == WEIGHTS_SIZE // 2):
            assert time.monotonic() < deadline, "the download never came to its half"
            time.sleep(0.05)
        process.kill()
    assert not target.exists()
    assert fetch().returncode == 0
    assert hub.file_bytes() == WEIGHTS_SIZE
    assert contents(target).items() >= hub.contents().items()


def test_a_run_killed_just_before_its_end_is_finished_by_the_next(
    hub: Hub, fetch: Fetch, staging: Path, target: Path
) -> None:
    fetch()
    target.rename(staging)
    assert fetch().returncode == 0
    assert contents(target).items() >= hub.contents().items()
    assert hub.file_bytes() == WEIGHTS_SIZE


def test_two_downloads_do_not_share_a_staging_folder(
    hub: Hub, command: list[str], client_environment: dict[str, str], fetch: Fetch, staging: Path
) -> None:
    hub.break_file("stall", times=1)
    with subprocess.Popen(command, env=client_environment | {"MODELSCOPE_DOWNLOAD_TIMEOUT": "60"}) as process:
        deadline = time.monotonic() + 30
        while not (staging / ".staging").exists():
            assert time.monotonic() < deadline, "the first download never began"
            time.sleep(0.05)
        assert "another download" in complaint(fetch())
        process.kill()


def test_progress_is_told(hub: Hub, fetch: Fetch, client_environment: dict[str, str]) -> None:
    client_environment["MODELSCOPE_DOWNLOAD_TIMEOUT"] = "7"  # longer than the program is silent
    hub.break_file("stall", times=1)
    lines = fetch().stdout.splitlines()
    assert any(line.startswith(f"{WEIGHTS}: 1.5 MB of 3.0 MB, ") for line in lines)


def test_a_model_that_is_not_there_is_named(fetch: Fetch, command: list[str]) -> None:
    command[2] = "Owner/Nothing"
    assert "no model Owner/Nothing at master" in complaint(fetch())


def test_a_revision_that_is_not_there_is_named(fetch: Fetch) -> None:
    assert f"no model {MODEL} at v9" in complaint(fetch("--revision", "v9"))


def test_a_hub_that_is_down_is_named(fetch: Fetch) -> None:
    assert "http://127.0.0.1:9 gave no listing" in complaint(fetch("--endpoint", "http://127.0.0.1:9"))


def test_a_hub_that_fails_is_named(hub: Hub, fetch: Fetch) -> None:
    hub.break_file("500", file=None)
    assert "HTTP Error 500" in complaint(fetch())


@pytest.mark.parametrize("place", ["target", "staging"])
def test_files_of_somebody_else_are_left_alone(
    request: pytest.FixtureRequest, fetch: Fetch, place: str
) -> None:
    folder: Path = request.getfixturevalue(place)
    folder.mkdir(parents=True)
    (folder / "diary.txt").write_text("mine")
    assert str(folder) in complaint(fetch())
    assert contents(folder) == {"diary.txt": b"mine"}


def test_a_word_that_is_no_model_id_is_refused(fetch: Fetch, command: list[str]) -> None:
    command[2] = "../../etc"
    assert "OWNER/NAME" in complaint(fetch())
