"""Files of any size through a shell, a slice a command.

pyinfra keeps all that a command is given and prints in memory, so one command may not carry a whole backup.
Content travels as base64: a command's input and output are lines of text.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import IO, Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.connectors.util import CommandOutput

# Bytes of a file in one command; about three times as many are in memory here.
SLICE = 16 << 20
# Bytes in a line that is sent, characters in one that comes: a multiple of three and of four, so that every
# line can be decoded by itself.
LINE = 49152

Run = Callable[..., tuple[bool, CommandOutput]]
"""pyinfra's ``run_shell_command``, with the arguments of the transfer."""


def send(run: Run, file: IO[Any], path: str) -> None:
    """Write a file there. One that is there stays the same, with its owner and mode, and is emptied first.

    A transfer that fails may leave the first slices.

    Args:
        file: here, at its beginning; of bytes or of text.
        path: there.

    Raises:
        OSError: it cannot be written, or less arrived than was sent.
    """
    size = _send(run, file.read(SLICE), path, 0)
    while part := file.read(SLICE):
        size = _send(run, part, path, size)


def _send(run: Run, part: bytes | str, path: str, before: int) -> int:
    """Add a slice to what was sent before; returns how many bytes there are then."""
    raw = part.encode() if isinstance(part, str) else part
    size, where = before + len(raw), QuoteString(path)
    # Who stops reading breaks the channel, and that would be told instead of why.
    read_on = "|| { cat >/dev/null; false; }"
    done, output = run(
        StringCommand("base64 -d", ">>" if before else ">", where, read_on, "&& stat -Lc %s", where),
        _stdin=[b64encode(raw[at : at + LINE]).decode() for at in range(0, len(raw), LINE)],
    )
    if not done:
        raise OSError(f"{path}: {output.stderr}")
    if output.stdout_lines != [str(size)]:
        raise OSError(f"{path}: {size} bytes were sent, it has {output.stdout or 'none'}")
    return size


def receive(run: Run, path: str) -> Iterator[bytes]:
    """The content of a file there, in small pieces; what is added to it meanwhile is left out.

    Raises:
        OSError: it cannot be read, or less arrived than there was.
    """
    try:
        lines = _lines(run, path, 0)
        size, at = int(next(lines, "")), 0
        while True:
            end = min(at + SLICE, size)
            for line in lines:
                piece = b64decode(line, validate=True)[: end - at]
                at += len(piece)
                yield piece
            if at < end:
                raise OSError(f"{path}: {at} of {size} bytes arrived")
            if at == size:
                return
            lines = _lines(run, path, at)
    except ValueError:
        raise OSError(f"{path}: something else than its content arrived") from None


def _lines(run: Run, path: str, at: int) -> Iterator[str]:
    """A slice; before the first one the size of the file.

    They are let go of when they are used up, so that no two slices are in memory.
    """
    where = QuoteString(path)
    command = StringCommand(
        f"dd bs=1M iflag=fullblock,skip_bytes,count_bytes skip={at} count={SLICE} status=none <", where,
        f"| base64 -w{LINE}",
    )  # fmt: skip
    done, output = run(command if at else StringCommand("wc -c <", where, "&&", command))
    if not done:
        raise OSError(f"{path}: {output.stderr}")
    yield from output.stdout_lines
