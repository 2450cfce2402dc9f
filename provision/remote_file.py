"""A file of a host, read in memory."""

from __future__ import annotations

import shlex
from base64 import b64decode

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.host import Host


def read(host: Host, path: str) -> str | None:
    """A file's text; ``None`` when there is no such file. As :func:`read_bytes` otherwise.

    Raises:
        OSError: it cannot be read, or is no UTF-8: an editor on a Chinese Windows may write GBK.
    """
    data = read_bytes(host, path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        file, line = shlex.quote(path), error.object[: error.start].count(b"\n") + 1
        raise OSError(
            f"{host.name}: {path}, line {line}, is no UTF-8. If it was written in GBK: "
            f"`cp -p {file} {file}.gbk && iconv -f gbk -t utf-8 {file}.gbk >{file}`"
        ) from None


def read_bytes(host: Host, path: str) -> bytes | None:
    """A file's content; ``None`` when there is no such file.

    Not a fact, whose output would be printed at ``-vvv``: such files hold secrets. Not SFTP either:
    pyinfra has one SFTP channel a host, which hangs when two greenlets use it at once, and every host
    asks the one that keeps the keys.

    Raises:
        OSError: when it is there but cannot be read.
    """
    command = StringCommand(
        "[ -e", QuoteString(path), "] || exit 0; echo there; base64 -w0 <", QuoteString(path)
    )  # fmt: skip
    done, output = host.run_shell_command(command, print_output=False, print_input=False)
    if not done:
        raise OSError(f"{host.name}: cannot read {path}: {output.stderr}")
    lines = output.stdout_lines
    if not lines:
        return None
    return b64decode("".join(lines[1:]))
