"""Files through a shell, a slice a command: run here by pyinfra, with small slices."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.connectors.util import CommandOutput, OutputLine

from provision.connectors import slices

SLICE = 100_000  # no multiple of a line's bytes, of three or of four
SIZES = [0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE, 3 * SLICE + 49_152]


class Shell:
    """This machine's; ``between`` is called before every command but the first."""

    def __init__(self) -> None:
        (self._host,) = State(Inventory((["@local"], {})), Config()).inventory
        self._host.connect(raise_exceptions=True)
        self.commands: list[str] = []
        self.between: Callable[[dict[str, Any]], object] = lambda _: None

    def __call__(self, command: StringCommand, **arguments: Any) -> tuple[bool, CommandOutput]:
        if self.commands:
            self.between(arguments)
        self.commands.append(str(command))
        return self._host.run_shell_command(command, **arguments)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(slices, "SLICE", SLICE)
    return Shell()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """On the far side."""
    return tmp_path / "名 with 'blanks'"


def needed(size: int) -> int:
    return max(1, -(-size // SLICE))


@pytest.mark.parametrize("size", SIZES)
def test_sent(shell: Shell, file: Path, size: int) -> None:
    content = os.urandom(size)
    file.write_bytes(b"something longer" * SLICE)
    slices.send(shell, BytesIO(content), str(file))
    assert file.read_bytes() == content
    assert len(shell.commands) == needed(size)


@pytest.mark.parametrize("size", SIZES)
def test_received(shell: Shell, file: Path, size: int) -> None:
    content = os.urandom(size)
    file.write_bytes(content)
    assert b"".join(slices.receive(shell, str(file))) == content
    assert len(shell.commands) == needed(size)


def test_text_is_sent_as_utf_8(shell: Shell, file: Path) -> None:
    text = "配置\n" * SLICE
    slices.send(shell, StringIO(text), str(file))
    assert file.read_text() == text


def test_a_file_that_is_there_stays_the_same_one(shell: Shell, tmp_path: Path, file: Path) -> None:
    file.touch(0o600)
    before = file.stat()
    link = tmp_path / "link"
    link.symlink_to(file)
    slices.send(shell, BytesIO(os.urandom(2 * SLICE)), str(link))
    after = file.stat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, 2 * SLICE)
    assert link.is_symlink()


def test_what_is_sent_stands_in_no_command(shell: Shell, file: Path) -> None:
    slices.send(shell, BytesIO(b"secret" * SLICE), str(file))
    assert max(map(len, shell.commands)) < 300


def test_a_slice_that_arrives_short_is_told(shell: Shell, file: Path) -> None:
    shell.between = lambda arguments: arguments["_stdin"].pop()
    with pytest.raises(OSError, match=rf"blanks': {2 * SLICE} bytes were sent, it has 1\d{{5}}$"):
        slices.send(shell, BytesIO(os.urandom(3 * SLICE)), str(file))
    assert len(shell.commands) == 2


def test_a_disk_that_is_full_is_told(shell: Shell) -> None:
    with pytest.raises(OSError, match="No space left"):
        slices.send(shell, BytesIO(os.urandom(SLICE)), "/dev/full")


@pytest.mark.parametrize("left", [0, SLICE, SLICE + 5])
def test_a_file_that_becomes_shorter_is_told(shell: Shell, file: Path, left: int) -> None:
    file.write_bytes(os.urandom(2 * SLICE))
    shell.between = lambda _: os.truncate(file, left)
    arrived = max(left, SLICE)
    with pytest.raises(OSError, match=f"{arrived} of {2 * SLICE} bytes arrived"):
        list(slices.receive(shell, str(file)))


def test_a_file_that_vanishes_is_told(shell: Shell, file: Path) -> None:
    file.write_bytes(os.urandom(2 * SLICE))
    shell.between = lambda _: file.unlink()
    with pytest.raises(OSError, match="bytes arrived"):
        list(slices.receive(shell, str(file)))


@pytest.mark.parametrize("size", [SLICE + 1, 2 * SLICE])
def test_what_is_added_meanwhile_is_left_out(shell: Shell, file: Path, size: int) -> None:
    content = os.urandom(size)
    file.write_bytes(content)
    shell.between = lambda _: os.truncate(file, 9 * SLICE)
    assert b"".join(slices.receive(shell, str(file))) == content
    assert len(shell.commands) == 2


@pytest.mark.parametrize("said", [[], ["no number"], ["4", "错误"], ["4", "AAA"], ["4", "A!AAA", "AAAA"]])
def test_something_else_is_not_taken_for_content(said: list[str]) -> None:
    def run(_: StringCommand) -> tuple[bool, CommandOutput]:
        return True, CommandOutput([OutputLine("stdout", line) for line in said])

    with pytest.raises(OSError, match=r"^/f: something else than its content arrived$"):
        list(slices.receive(run, "/f"))


def test_what_cannot_be_opened_is_told(shell: Shell, tmp_path: Path) -> None:
    path = str(tmp_path / "missing/file")
    with pytest.raises(OSError, match=f"^{path}: .*{path}"):
        slices.send(shell, BytesIO(os.urandom(SLICE)), path)
    with pytest.raises(OSError, match=f"^{path}: .*{path}"):
        list(slices.receive(shell, path))
