"""The download program's judgement: what a listing says, what a folder lacks, when a target is complete."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "templates" / "fetch_model.py"
HASH = "0123456789ABCDEF" * 4


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program as a module: it is sent to hosts as one file, so it belongs to no package."""
    spec = importlib.util.spec_from_file_location("fetch_model", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fetch_model"] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def answer(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"Code": 200, "Success": True, "Data": {"Files": list(entries)}}


def entry(path: str = "config.json", **changes: Any) -> dict[str, Any]:
    whole = {"Name": Path(path).name, "Path": path, "Type": "blob", "Size": 5, "Sha256": HASH}
    return whole | changes


def known_file(
    program: ModuleType, folder: Path, path: str = "a/config.json", content: bytes = b"{ }\n"
) -> Any:
    """Write a file and describe it as the listing would."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)
    return program.ModelFile(path, len(content), hashlib.sha256(content).hexdigest())


def test_folders_of_a_listing_are_no_files(program: ModuleType) -> None:
    folder = entry("1_Pooling", Type="tree", Size=0, Sha256="")
    files = program.parse_listing(answer(folder, entry("1_Pooling/config.json")))
    assert files == [program.ModelFile("1_Pooling/config.json", 5, HASH.lower())]


def test_an_empty_file_is_a_file(program: ModuleType) -> None:
    assert program.parse_listing(answer(entry(Size=0)))[0].size == 0


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
def test_a_listing_that_cannot_be_trusted_is_refused(program: ModuleType, listing: Any, message: str) -> None:
    with pytest.raises(program.FetchError, match=message):
        program.parse_listing(listing)


def test_a_folder_as_listed_has_no_differences(program: ModuleType, tmp_path: Path) -> None:
    file = known_file(program, tmp_path)
    assert program.differences(tmp_path, [file], hashes=True) == {}


@pytest.mark.parametrize(
    ("content", "difference"),
    [(None, "missing"), (b"{}\n", "3 bytes instead of 4"), (b"{x}\n", "SHA-256")],
)
def test_a_difference_is_named(
    program: ModuleType, tmp_path: Path, content: bytes | None, difference: str
) -> None:
    file = known_file(program, tmp_path)
    (tmp_path / file.path).unlink()
    if content is not None:
        (tmp_path / file.path).write_bytes(content)
    found = program.differences(tmp_path, [file], hashes=True)
    assert found[file.path].startswith(difference)


def test_sizes_alone_do_not_read_contents(program: ModuleType, tmp_path: Path) -> None:
    file = known_file(program, tmp_path)
    (tmp_path / file.path).write_bytes(b"{x}\n")
    assert program.differences(tmp_path, [file], hashes=False) == {}


def test_a_manifest_is_read_as_it_was_written(program: ModuleType, tmp_path: Path) -> None:
    files = [known_file(program, tmp_path)]
    program.write_manifest(tmp_path, "Owner/Name", "master", files)
    assert program.read_manifest(tmp_path, "Owner/Name", "master") == files
    document = json.loads((tmp_path / ".manifest.json").read_text())
    assert document["files"] == [{"path": "a/config.json", "size": 4, "sha256": files[0].sha256}]


@pytest.mark.parametrize("other", [("Owner/Other", "master"), ("Owner/Name", "v2")])
def test_a_manifest_of_another_model_does_not_count(
    program: ModuleType, tmp_path: Path, other: tuple[str, str]
) -> None:
    program.write_manifest(tmp_path, "Owner/Name", "master", [])
    assert program.read_manifest(tmp_path, *other) is None


@pytest.mark.parametrize("text", [None, "", '{"model": "Owner/Na', "[]", '{"model": "Owner/Name"}'])
def test_a_broken_manifest_does_not_count(program: ModuleType, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".manifest.json").write_text(text)
    assert program.read_manifest(tmp_path, "Owner/Name", "master") is None


def test_what_the_listing_does_not_name_goes_and_the_rest_is_readable(
    program: ModuleType, tmp_path: Path
) -> None:
    file = known_file(program, tmp_path, "a/b/weights")
    (tmp_path / file.path).chmod(0o600)
    (tmp_path / "a").chmod(0o700)
    (tmp_path / "._____temp" / "deep").mkdir(parents=True)
    (tmp_path / ".msc").write_text("notes of the client")
    program.tidy(tmp_path, [file])
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")} == {"a", "a/b", "a/b/weights"}
    assert (tmp_path / file.path).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
