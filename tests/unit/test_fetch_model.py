"""The download program's judgement: what a listing says, what a folder lacks, when a target is complete."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from modelscope_hub.errors import FileDownloadError, FileIntegrityError, NotExistError, ServerError

from fetch_model import FetchError
from fetch_model.client import _is_lasting
from fetch_model.folder import ModelFile, differences, read_manifest, tidy, write_manifest
from fetch_model.hub import parse_listing

HASH = "0123456789ABCDEF" * 4


def answer(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"Code": 200, "Success": True, "Data": {"Files": list(entries)}}


def entry(path: str = "config.json", **changes: Any) -> dict[str, Any]:
    whole = {"Name": Path(path).name, "Path": path, "Type": "blob", "Size": 5, "Sha256": HASH}
    return whole | changes


def known_file(folder: Path, path: str = "a/config.json", content: bytes = b"{ }\n") -> Any:
    """Write a file and describe it as the listing would."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)
    return ModelFile(path, len(content), hashlib.sha256(content).hexdigest())


def test_folders_of_a_listing_are_no_files() -> None:
    folder = entry("1_Pooling", Type="tree", Size=0, Sha256="")
    listed = parse_listing(answer(folder, entry("1_Pooling/config.json")))
    assert listed.files == [ModelFile("1_Pooling/config.json", 5, HASH.lower())]


@pytest.mark.parametrize(
    ("latest", "commit"),
    [
        ({"Id": "", "ShortId": "01234567"}, "01234567"),
        ({"Id": "0123456789", "ShortId": "01234567"}, "0123456789"),
        ({}, None),
        (None, None),
    ],
)
def test_the_commit_is_noted_where_the_hub_names_it(latest: Any, commit: str | None) -> None:
    listed = answer(entry())
    listed["Data"]["LatestCommitter"] = latest
    assert parse_listing(listed).commit == commit
    assert parse_listing(answer(entry())).commit is None


def test_an_empty_file_is_a_file() -> None:
    assert parse_listing(answer(entry(Size=0))).files[0].size == 0


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ({"Code": 200, "Data": None}, "unknown form"),
        ([], "unknown form"),
        (answer({"Path": "config.json"}), "unknown form"),
        (answer(), "no files"),
        (answer(entry("../../etc/passwd")), "unsafe name"),
        (answer(entry("/etc/passwd")), "unsafe name"),
        (answer(entry("")), "unsafe name"),
        (answer(entry(".manifest.json")), "unsafe name"),
        (answer(entry(Sha256="")), "config.json without"),
        (answer(entry(Sha256=None)), "config.json without"),
        (answer(*[entry()] * 3000), "lists only 3000"),
    ],
)
def test_a_listing_that_cannot_be_trusted_is_refused(listing: Any, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        parse_listing(listing)


def test_a_folder_as_listed_has_no_differences(tmp_path: Path) -> None:
    file = known_file(tmp_path)
    assert differences(tmp_path, [file], hashes=True) == {}


@pytest.mark.parametrize(
    ("content", "difference"),
    [(None, "missing"), (b"{}\n", "3 bytes instead of 4"), (b"{x}\n", "SHA-256")],
)
def test_a_difference_is_named(tmp_path: Path, content: bytes | None, difference: str) -> None:
    file = known_file(tmp_path)
    (tmp_path / file.path).unlink()
    if content is not None:
        (tmp_path / file.path).write_bytes(content)
    found = differences(tmp_path, [file], hashes=True)
    assert found[file.path].startswith(difference)


def test_sizes_alone_do_not_read_contents(tmp_path: Path) -> None:
    file = known_file(tmp_path)
    (tmp_path / file.path).write_bytes(b"{x}\n")
    assert differences(tmp_path, [file], hashes=False) == {}


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = [known_file(tmp_path)]
    write_manifest(tmp_path, "Owner/Name", "master", "01234567", files)
    assert read_manifest(tmp_path, "Owner/Name", "master") == files
    document = json.loads((tmp_path / ".manifest.json").read_text())
    assert document["files"] == [{"path": "a/config.json", "size": 4, "sha256": files[0].sha256}]
    assert document["commit"] == "01234567"


def test_each_verified_download_has_a_manifest_of_its_own(tmp_path: Path) -> None:
    """So that a healed model is told from the damaged one before it."""
    texts = set()
    for _ in range(2):
        write_manifest(tmp_path, "Owner/Name", "master", None, [])
        texts.add((tmp_path / ".manifest.json").read_text())
    assert len(texts) == 2


@pytest.mark.parametrize("other", [("Owner/Other", "master"), ("Owner/Name", "v2")])
def test_a_manifest_of_another_model_does_not_count(tmp_path: Path, other: tuple[str, str]) -> None:
    write_manifest(tmp_path, "Owner/Name", "master", None, [])
    assert read_manifest(tmp_path, *other) is None


@pytest.mark.parametrize("text", [None, "", '{"model": "Owner/Na', "[]", '{"model": "Owner/Name"}'])
def test_a_broken_manifest_does_not_count(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".manifest.json").write_text(text)
    assert read_manifest(tmp_path, "Owner/Name", "master") is None


def test_what_the_listing_does_not_name_goes_and_the_rest_is_readable(tmp_path: Path) -> None:
    file = known_file(tmp_path, "a/b/weights")
    (tmp_path / file.path).chmod(0o600)
    (tmp_path / "a").chmod(0o700)
    (tmp_path / "._____temp" / "deep").mkdir(parents=True)
    (tmp_path / ".msc").write_text("notes of the client")
    tidy(tmp_path, [file])
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")} == {"a", "a/b", "a/b/weights"}
    assert (tmp_path / file.path).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_the_mode_of_a_file_with_another_name_is_left_alone(tmp_path: Path) -> None:
    file = known_file(tmp_path / "model", "weights")
    (tmp_path / "model" / "weights").chmod(0o755)
    (tmp_path / "elsewhere").hardlink_to(tmp_path / "model" / "weights")
    tidy(tmp_path / "model", [file])
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("error", "lasting"),
    [
        (ServerError("busy"), False),
        (ConnectionResetError(104, "reset"), False),
        (ValueError("anything"), False),
        (OSError(28, "No space left on device"), True),
        (NotExistError("no such file"), True),
        (FileIntegrityError("wrong hash"), True),
    ],
)
def test_what_will_not_pass_is_not_tried_again(error: Exception, lasting: bool) -> None:
    assert _is_lasting(error) is lasting
    mixed = FileDownloadError("some failed", failed_files={"a": ServerError("busy"), "b": error})
    assert _is_lasting(mixed) is lasting
