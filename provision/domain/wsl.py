"""How a command gets through Windows into a WSL distribution, and what Windows says on the way.

Windows' OpenSSH server hands a command to ``cmd.exe /c "…"`` (PowerShell/openssh-portable, w32-doexec.c), and
that expands ``%NAME%``, knows no single quotes and refuses more than 8191 characters (Microsoft's article on
the limit of the command prompt's line). ``wsl.exe`` splits its own options at blanks, quoted or not, and with
``--exec`` takes the rest apart by the rules of ``CommandLineToArgvW`` (microsoft/WSL, WslClient.cpp). So a
command crosses both as one base64 word.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provision.domain.bootstrap import bootstrap_line

# What stands before the name of a host that is reached this way.
PREFIX = "@wsl/"

# cmd.exe takes 8191; sshd puts `"c:\windows\system32\cmd.exe" /c "…"` around it.
LONGEST_LINE = 8000

# Decodes a command and runs it, without a quote or a per cent sign: with no field separator and no globbing,
# what a substitution gives is one word. wsl.exe starts in the folder of Windows' sshd; every other way in
# starts in the home folder.
_FROM_ARGUMENT = "set -f;IFS=;cd;eval $(echo $0|base64 -d)"
_FROM_INPUT = "set -f;IFS=;cd;read -r c;eval $(echo $c|base64 -d)"
_BACK_TO_NORMAL = "set +f;unset IFS;"

# Longest run of bytes in which the end of a line in UTF-16 is looked for.
_LONGEST_MESSAGE = 1 << 16
_LINE_END = "\r\n".encode("utf-16-le")

_SHAPES = {
    "wsl_distribution": (r"[A-Za-z0-9_][A-Za-z0-9._-]*", "a name as `wsl --list` shows it, without blanks"),
    "wsl_user": (r"[a-z_][a-z0-9_.-]*", "the name of a Linux user"),
    "wsl_exe": (r"[A-Za-z0-9_:\\. ()-]+", r"a path such as C:\Program Files\WSL\wsl.exe"),
}


@dataclass(frozen=True)
class Distribution:
    """A distribution as ``wsl.exe`` is to call it.

    Args:
        name: as registered with Windows; ``None`` is the account's default distribution.
        user: Linux user.
        exe: ``wsl.exe`` by its name or its path on Windows.
    """

    name: str | None = None
    user: str = "root"
    exe: str = "wsl.exe"

    def program(self, *words: str) -> str:
        """A line for cmd.exe that runs ``wsl.exe`` with these words."""
        return " ".join([f'"{self.exe}"' if " " in self.exe else self.exe, *words])

    def inside(self, *words: str) -> str:
        """A line for cmd.exe that runs a program of the distribution."""
        name = ["-d", self.name] if self.name else []
        return self.program(*name, "-u", self.user, "--exec", *words)

    def line(self, command: str) -> str:
        """A line for cmd.exe that has the distribution's shell run a command.

        Raises:
            ValueError: the command is too long for cmd.exe.
        """
        line = self.inside("sh", "-c", f'"{_FROM_ARGUMENT}"', _encoded(command))
        if len(line) > LONGEST_LINE:
            raise ValueError(f"a command of {len(command)} characters is too long for cmd.exe")
        return line

    def invocation(self, command: str) -> tuple[str, str]:
        """A line as of :meth:`line`, and what its input has to begin with: a long command comes that way."""
        try:
            return self.line(command), ""
        except ValueError:
            return self.inside("sh", "-c", f'"{_FROM_INPUT}"'), f"{_encoded(command)}\n"


def _encoded(command: str) -> str:
    return b64encode(f"{_BACK_TO_NORMAL}{command}".encode()).decode()


def setting_problems(host: str, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with a host's ``wsl_…`` keys, one line each."""
    problems = []
    for key, value in values.items():
        if not key.startswith("wsl_"):
            continue
        if key not in _SHAPES:
            problems.append(f"{host}: {key} is not a setting; known are {', '.join(_SHAPES)}")
        elif not host.startswith(PREFIX):
            problems.append(f"{host}: {key} is of no use here; name the host {PREFIX}<address of Windows>")
        elif not (isinstance(value, str) and re.fullmatch(_SHAPES[key][0], value)):
            problems.append(f"{host}: {key} = {value!r}: must be {_SHAPES[key][1]}")
    return problems


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines of what came back: UTF-8 of Linux, UTF-16 of ``wsl.exe``, GBK of a Chinese Windows, mixed.

    ``wsl.exe`` writes its own messages as UTF-16LE with CRLF (errors to standard output, warnings to standard
    error; microsoft/WSL, WslClient.cpp); Windows' other programs use the machine's code page.

    Args:
        pieces: bytes as they arrive, cut anywhere.
    """
    waiting = b""
    for piece in pieces:
        waiting += piece
        while (taken := _take(waiting, more=True)) is not None:
            line, waiting = taken
            yield line
    while waiting:
        line, waiting = _take(waiting, more=False) or (_text(waiting), b"")
        yield line


def _take(waiting: bytes, *, more: bool) -> tuple[str, bytes] | None:
    """The first line and what is left; ``None`` as long as it has not ended."""
    line, newline, rest = waiting.partition(b"\n")
    if _is_utf8(line):
        return (line.decode(), rest) if newline else None
    end = next((i for i in _found(waiting, _LINE_END) if i % 2 == 0), None)
    if end is not None:
        return waiting[:end].decode("utf-16-le", "replace"), waiting[end + len(_LINE_END) :]
    if not newline or (more and len(waiting) < _LONGEST_MESSAGE):
        return None
    return _text(line), rest


def _is_utf8(line: bytes) -> bool:
    try:
        return "\0" not in line.decode()
    except UnicodeDecodeError:
        return False


def _found(text: bytes, wanted: bytes) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("gb18030", "replace")


@dataclass(frozen=True)
class Registered:
    """A distribution of the account's, as ``wsl --list --verbose`` shows it.

    Args:
        name: of the distribution.
        version: of WSL, 1 or 2.
        default: it is meant where none is named.
    """

    name: str
    version: int
    default: bool


def registered(listing: Iterable[str]) -> list[Registered]:
    """Read ``wsl --list --verbose``: a star or nothing, name, state, version (WslClient.cpp)."""
    rows = (re.fullmatch(r"(\*?)\s+(\S+)\s+\S.*\s([12])\s*", line) for line in listing)
    return [Registered(row[2], int(row[3]), row[1] == "*") for row in rows if row]


def meant(name: str | None, distributions: Iterable[Registered]) -> Registered | None:
    """The distribution of a name, in any case as Windows compares them, or the default one."""
    for each in distributions:
        if (each.name.lower() == name.lower()) if name else each.default:
            return each
    return None


@dataclass(frozen=True)
class Trouble:
    """Why Windows could not run a command in a distribution.

    Args:
        cause: in words of ours.
        advice: what to do about it.
        names_help: the names of the account's distributions would help.
    """

    cause: str
    advice: str
    names_help: bool = False


# WSL's own names of errors are the same in every language (microsoft/WSL, localization/strings; the inbox WSL
# prints the text alone); texts of Windows are not, English and Chinese ones are known here.
_TROUBLES = {
    ("WSL_E_DISTRO_NOT_FOUND", "no distribution with the supplied", "不存在具有所提供名称的分发"): Trouble(
        "Windows has no WSL distribution of that name",
        "Set wsl_distribution. Distributions belong to a Windows account: ssh_user has to be their owner",
        names_help=True,
    ),
    ("WSL_E_DEFAULT_DISTRO_NOT_FOUND", "has no installed distributions", "没有已安装的分发"): Trouble(
        "this Windows account has no WSL distribution",
        "Install one (wsl --install -d Debian), or connect as the account that has it (ssh_user)",
    ),
    ("WSL_E_USER_NOT_FOUND", "User not found", "找不到用户"): Trouble(
        "the distribution has no such user", "Leave wsl_user out (root), or correct it"
    ),
    # microsoft/WSL#9231: the launcher of the Store's package does not start for services, sshd among them.
    ("cannot be accessed by the system", "系统无法访问此文件"): Trouble(
        "the Microsoft Store's WSL does not start in an ssh session",
        "Install WSL's MSI from https://github.com/microsoft/WSL/releases and set "
        r"wsl_exe to C:\Program Files\WSL\wsl.exe",
    ),
    # microsoft/WSL#8072
    ("Access is denied", "拒绝访问"): Trouble(
        "Windows does not let this account start WSL",
        "The built-in Administrator may not: connect as the account that owns the distribution (ssh_user)",
    ),
    (
        "is not recognized as an internal", "不是内部或外部命令", "cannot find the path", "找不到指定的路径",
        "is not installed", "未安装",
    ): Trouble(
        "Windows has no WSL, or no wsl.exe where wsl_exe says",
        f"{bootstrap_line()} (or wsl --install), or correct wsl_exe",
    ),
}  # fmt: skip


def trouble(said: str) -> Trouble | None:
    """What a message of Windows or of ``wsl.exe`` means; ``None`` for one that is not known."""
    return next(
        (found for texts, found in _TROUBLES.items() if any(text in said for text in texts)),
        None,
    )
