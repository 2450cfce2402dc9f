"""What lies on the host already is not downloaded again: other revisions, and caches of the owner's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_process import MODEL, ROOT, WEIGHTS, WEIGHTS_SIZE, Hub, contents


class Place:
    """A data disk, and the program that fills it."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self._hub = hub

    def target(self, revision: str = "master") -> Path:
        return self.folder / f"model@{revision}"

    def fetch(self, *sources: Path, revision: str = "master") -> str:
        """What the program said; it must succeed, and put in place what the hub serves."""
        places = ["--target", self.target(revision), "--staging", self.folder / f".staging@{revision}"]
        done = subprocess.run(
            [sys.executable, "-B", "-m", "fetch_model", MODEL, "--endpoint", self._hub.endpoint,
             "--revision", revision, *places, *(word for each in sources for word in ("--source", each))],
            env=os.environ | {"HOME": str(self.folder), "PYTHONPATH": str(ROOT / "templates")},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def asked_for(self) -> set[str]:
        """The files whose content was asked of the hub."""
        paths = [each["path"] for each in self._hub.requests()]
        return {path.partition("FilePath=")[2].partition("&")[0] for path in paths if "FilePath=" in path}


@pytest.fixture
def place(tmp_path: Path, hub: Hub) -> Place:
    return Place(tmp_path / "data", hub)


@pytest.fixture
def cache(tmp_path: Path, hub: Hub) -> Path:
    """A whole copy, as the client left it in somebody's cache."""
    folder = tmp_path / "cache"
    for path, content in hub.contents().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / ".msc").write_text("notes of the client")
    return folder


def state(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """What would differ if anything in a folder had been touched."""
    found = {path: path.stat() for path in [folder, *folder.rglob("*")]}
    return {str(path): (s.st_mode, s.st_uid, s.st_size, s.st_mtime_ns) for path, s in found.items()}


def linked(one: Path, other: Path) -> bool:
    return (one / WEIGHTS).stat().st_ino == (other / WEIGHTS).stat().st_ino


def test_another_revision_brings_only_what_differs(hub: Hub, place: Place) -> None:
    place.fetch()
    hub.forget()
    said = place.fetch(place.target(), revision="v2")
    assert f"adopted 2 of 3 files from {place.target()}, verified" in said
    assert place.asked_for() == {"config.json"}
    assert linked(place.target(), place.target("v2"))
    assert contents(place.target()).items() >= hub.contents().items()
    assert (place.target("v2") / "config.json").read_text() == '{"hidden_size": 128}\n'


def test_going_back_costs_nothing_while_the_old_revision_is_there(hub: Hub, place: Place) -> None:
    place.fetch()
    place.fetch(place.target(), revision="v2")
    hub.forget()
    assert "complete already" in place.fetch(place.target("v2"))
    assert hub.requests() == []


def test_a_revision_outlives_the_one_that_it_shares_files_with(hub: Hub, place: Place) -> None:
    place.fetch()
    place.fetch(place.target(), revision="v2")
    subprocess.run(["rm", "-rf", place.target()], check=True)
    assert (place.target("v2") / WEIGHTS).read_bytes() == hub.contents()[WEIGHTS]


def test_a_copy_in_a_cache_is_adopted_and_not_touched(hub: Hub, place: Place, cache: Path) -> None:
    before = state(cache)
    said = place.fetch(cache)
    assert f"adopted 3 of 3 files from {cache}, verified" in said
    assert place.asked_for() == set()
    assert linked(cache, place.target())
    assert state(cache) == before
    assert contents(place.target()).items() >= hub.contents().items()
    assert ".msc" not in contents(place.target())


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o666], ids=oct)
def test_a_file_that_must_not_be_shared_is_copied(place: Place, cache: Path, mode: int) -> None:
    """Neither does the service's account get to read the owner's file, nor may another write into ours."""
    (cache / WEIGHTS).chmod(mode)
    before = state(cache)
    place.fetch(cache)
    assert place.asked_for() == set()
    assert not linked(cache, place.target())
    assert (place.target() / WEIGHTS).stat().st_mode & 0o777 == 0o644
    assert state(cache) == before


def test_a_file_behind_a_link_is_adopted_as_a_file(place: Place, cache: Path, tmp_path: Path) -> None:
    (cache / WEIGHTS).rename(tmp_path / "blob")
    (cache / WEIGHTS).symlink_to(tmp_path / "blob")
    place.fetch(cache)
    assert not (place.target() / WEIGHTS).is_symlink()
    assert place.asked_for() == set()


@pytest.mark.parametrize("damage", ["tampered", "cut", "gone"])
def test_what_is_wrong_in_a_cache_is_downloaded(hub: Hub, place: Place, cache: Path, damage: str) -> None:
    weights = cache / WEIGHTS
    if damage == "tampered":
        weights.write_bytes(b"X" * WEIGHTS_SIZE)
    elif damage == "cut":
        os.truncate(weights, WEIGHTS_SIZE // 2)
    else:
        weights.unlink()
    before = state(cache)
    assert "adopted 2 of 3 files" in place.fetch(cache)
    assert place.asked_for() == {WEIGHTS}
    assert state(cache) == before
    assert contents(place.target()).items() >= hub.contents().items()


def test_a_cache_that_is_not_there_is_no_trouble(hub: Hub, place: Place, tmp_path: Path) -> None:
    place.fetch(tmp_path / "nothing")
    assert contents(place.target()).items() >= hub.contents().items()
