"""The download program as it runs on a model host: real client, real hub, and what goes wrong between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_process import MODEL, ROOT, WEIGHTS, WEIGHTS_SIZE, Hub, contents

from fetch_model.client import FRUITLESS_ATTEMPTS

Result = subprocess.CompletedProcess[str]
Fetch = Callable[..., Result]

STALL_SECONDS = 2
PATIENT = ("--stall-timeout", "60")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "some-model"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging" / "some-model"


@pytest.fixture
def command(hub: Hub, target: Path, staging: Path) -> list[str]:
    places = ["--target", str(target), "--staging", str(staging)]
    program = [sys.executable, "-B", "-m", "fetch_model", MODEL]
    return [*program, *places, "--endpoint", hub.endpoint, "--stall-timeout", str(STALL_SECONDS)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT / "templates")}


@pytest.fixture
def fetch(command: list[str], environment: dict[str, str]) -> Fetch:
    def run(*more: str) -> Result:
        return subprocess.run([*command, *more], env=environment, capture_output=True, text=True, timeout=120)

    return run


def complaint(result: Result) -> str:
    """The program's own line on stderr; there must be exactly one, and exit code 1."""
    assert result.returncode == 1
    return complaint_of(result)


def complaint_of(result: Result) -> str:
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
    for arguments in ((), ("--verify",), ("--check",)):
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
    manifest = (target / ".manifest.json").read_text()
    assert f"{target} is not {MODEL} at master" in complaint(fetch("--check"))
    assert (target / WEIGHTS).read_bytes() == b"X" * WEIGHTS_SIZE
    hub.forget()
    result = fetch("--verify")
    assert f"{WEIGHTS}: SHA-256" in result.stdout
    assert contents(target).items() >= hub.contents().items()
    assert hub.file_bytes() == WEIGHTS_SIZE
    # What tells a server that loaded the damaged file from one that loaded the healed one.
    assert (target / ".manifest.json").read_text() != manifest
    assert fetch("--check").returncode == 0


@pytest.mark.parametrize(
    ("kind", "times", "sent"),
    [
        ("cut", 1, WEIGHTS_SIZE),
        ("cut", 3, WEIGHTS_SIZE),
        ("corrupt", 1, 2 * WEIGHTS_SIZE),
        ("500", 1, WEIGHTS_SIZE),
    ],
)
def test_a_passing_fault_is_made_good_at_once_and_no_byte_comes_twice_but_wrong_ones(
    hub: Hub, fetch: Fetch, target: Path, kind: str, times: int, sent: int
) -> None:
    hub.break_file(kind, times=times)
    result = fetch()
    assert result.returncode == 0, result.stderr
    assert contents(target).items() >= hub.contents().items()
    assert hub.file_bytes() == sent


@pytest.mark.parametrize(("kind", "requests"), [("corrupt", 3), ("404", 1), ("500", 1 + FRUITLESS_ATTEMPTS)])
def test_a_lasting_fault_ends_soon_names_the_file_and_leaves_no_target(
    hub: Hub, fetch: Fetch, target: Path, kind: str, requests: int
) -> None:
    hub.break_file(kind)
    said = complaint(fetch())
    assert f"{MODEL} is incomplete ({WEIGHTS}: " in said
    assert "run again, it resumes" in said
    assert len([each for each in hub.requests() if WEIGHTS in each["path"]]) == requests
    assert not target.exists()
    hub.repair()
    assert fetch().returncode == 0


def test_a_lasting_fault_leaves_the_older_target_as_it_was(hub: Hub, fetch: Fetch, target: Path) -> None:
    fetch()
    (target / WEIGHTS).write_bytes(b"X" * WEIGHTS_SIZE)
    before = contents(target)
    hub.break_file("corrupt")
    complaint(fetch("--verify"))
    assert contents(target) == before


def test_silence_is_bounded_and_the_next_run_goes_on(hub: Hub, fetch: Fetch, target: Path) -> None:
    hub.break_file("stall")
    begun = time.monotonic()
    said = complaint(fetch())
    assert f"no byte came for {STALL_SECONDS} s; {WEIGHTS}: " in said
    assert time.monotonic() - begun < 30
    assert not target.exists()
    hub.repair()
    assert fetch().returncode == 0
    assert hub.file_bytes() == WEIGHTS_SIZE


def test_a_listing_that_never_comes_is_bounded(hub: Hub, fetch: Fetch) -> None:
    hub.break_file("stall", file=None, times=1)
    assert f"said nothing for {STALL_SECONDS} s" in complaint(fetch())
    assert fetch().returncode == 0


def test_a_listing_that_fails_once_is_asked_for_again(hub: Hub, fetch: Fetch) -> None:
    hub.break_file("500", file=None, times=1)
    assert fetch().returncode == 0


# A disk of 4 MB, where somebody else writes while the download is at its half: the way in which it fills up
# although there was room enough at the beginning.
FULL_DISK = """
mount -t tmpfs -o size=4m none "$0"
"$@" & download=$!
until [ "$(stat -c %s "$0"/staging/*.incomplete 2>/dev/null)" = 1500000 ]; do sleep 0.1; done
head -c 4000000 /dev/zero >"$0/filler" 2>/dev/null
wait $download && exit 9
[ ! -e "$0/target" ] || exit 8
rm "$0/filler"
"$@"
"""


@pytest.fixture
def on_a_small_disk(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> Callable[[str], Result]:
    """Run a shell script, with the download's command line as arguments and the disk's folder as ``$0``."""
    disk = tmp_path / "disk"
    disk.mkdir()
    places = {"--target": str(disk / "target"), "--staging": str(disk / "staging")}
    for name, place in places.items():
        command[command.index(name) + 1] = place
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c"]

    def run(script: str) -> Result:
        return subprocess.run(
            [*alone, script, disk, *command], env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def test_a_disk_that_fills_up_is_named_and_the_next_run_goes_on(
    hub: Hub, on_a_small_disk: Callable[[str], Result]
) -> None:
    hub.break_file("pause", times=1)
    result = on_a_small_disk(FULL_DISK.replace('"$@"', '"$@" --stall-timeout 60'))
    assert result.returncode == 0, result.stderr
    assert "No space left on device" in complaint_of(result)
    assert "3 files, 3.0 MB" in result.stdout
    # The block that did not fit comes again; what was written before it does not.
    assert WEIGHTS_SIZE < hub.file_bytes() <= 1.5 * WEIGHTS_SIZE


def test_a_disk_that_is_too_small_is_named_before_anything_is_asked_for(
    hub: Hub, on_a_small_disk: Callable[[str], Result]
) -> None:
    said = complaint(on_a_small_disk('mount -t tmpfs -o size=2m none "$0"; "$@"'))
    assert "2.1 MB free, 3.0 MB are needed; free some space" in said
    assert not any("FilePath" in each["path"] for each in hub.requests())


def test_a_killed_download_goes_on_where_it_stopped(
    hub: Hub,
    command: list[str],
    environment: dict[str, str],
    fetch: Fetch,
    staging: Path,
    target: Path,
) -> None:
    hub.break_file("stall", times=1)
    with subprocess.Popen([*command, *PATIENT], env=environment) as process:
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
    hub: Hub, command: list[str], environment: dict[str, str], fetch: Fetch, staging: Path
) -> None:
    hub.break_file("stall", times=1)
    with subprocess.Popen([*command, *PATIENT], env=environment) as process:
        deadline = time.monotonic() + 30
        while not (staging / ".staging").exists():
            assert time.monotonic() < deadline, "the first download never began"
            time.sleep(0.05)
        assert "another download" in complaint(fetch())
        process.kill()


def test_progress_is_told(hub: Hub, fetch: Fetch) -> None:
    hub.break_file("pause", times=1)
    lines = fetch(*PATIENT).stdout.splitlines()
    assert any(line.startswith(f"{WEIGHTS}: 1.5 MB of 3.0 MB, ") for line in lines)


def test_a_model_that_is_not_there_is_named(fetch: Fetch, command: list[str]) -> None:
    command[command.index(MODEL)] = "Owner/Nothing"
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
    command[command.index(MODEL)] = "../../etc"
    assert "OWNER/NAME" in complaint(fetch())
