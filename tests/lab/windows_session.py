"""A session of Windows' sshd, without ssh."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import IO, Any


class Channel:
    """A session of Windows' sshd: cmd.exe is started with the command in quotes."""

    def __init__(self, drive: Path) -> None:
        self._drive = drive
        self._combined = False

    def exec_command(self, line: str) -> None:
        # What it prints lies in files, so that a test which counts memory does not count a stand-in's.
        self._streams: list[IO[bytes]] = [TemporaryFile(), TemporaryFile()]  # noqa: SIM115
        out, err = self._streams
        self._process = subprocess.Popen(
            [self._drive / "Windows/System32/cmd.exe", "/c", f'"{line}"'],
            stdin=subprocess.PIPE, stdout=out, stderr=out if self._combined else err, bufsize=0,
            env={"PATH": "/usr/bin:/bin", "LAB_WINDOWS_SESSION": "0", "LAB_WINDOWS_ELEVATED": "1"},
        )  # fmt: skip

    def set_combine_stderr(self, combine: bool) -> None:
        self._combined = combine

    def makefile_stdin(self, *_: object) -> Any:
        def write(data: str | bytes) -> None:
            raw = memoryview(data.encode() if isinstance(data, str) else data)
            with suppress(BrokenPipeError):  # it has ended already
                while raw:
                    raw = raw[self._process.stdin.write(raw) :]

        return SimpleNamespace(write=write, close=self.shutdown_write)

    def shutdown_write(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        for stream in self._streams:
            stream.seek(0)

    def recv(self, size: int) -> bytes:
        return self._streams[0].read(size)

    def recv_stderr(self, size: int) -> bytes:
        return self._streams[1].read(size)

    def recv_exit_status(self) -> int:
        return self._process.returncode
