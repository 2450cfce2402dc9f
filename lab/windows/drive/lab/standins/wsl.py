"""Stand-in of ``wsl.exe``: runs commands in the lab's distribution, and knows the others by name only.

Sources: options and how they are taken apart (its own at blanks without regard to quotes, what follows
``--exec`` by the rules of ``CommandLineToArgvW``), errors on standard output and warnings on standard error
as UTF-16LE unless ``WSL_UTF8`` is 1, texts in both languages, the names of errors and exit code -1 from
microsoft/WSL (WslClient.cpp, helpers.cpp, localization/strings); the variables that a command finds from
the same (init.cpp, DistributionRegistration.h); that it starts in the folder of its caller from its
documentation; what the Store's launcher says in session 0, and that the MSI's program works there, from
microsoft/WSL#9231 and #9197.

Inferred: the exit code and the encoding of that launcher; what Windows says without any WSL; that a program
which Linux cannot find gives 127; that ``--shutdown`` and ``--terminate`` say nothing (as they do when they
succeed). A Linux process hands on only the low byte of -1, so here it is 255 instead of 4294967295.

Whoever first runs a command in a distribution starts it, and everything that it runs later has the rights
of that one over Windows (state.py).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from standins import command_line, state

# How "Windows" reaches its distribution; inside the distribution itself there is no such file.
SSH_CONFIG = Path("/etc/lab/dify-wsl.ssh")
SSH = ["ssh", "-F", str(SSH_CONFIG)]
# Programs that play what becomes of distributions which are started or stopped, named by their arguments.
HOOKS = state.DRIVE / "lab/hooks"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
BOOT_SECONDS = 60

FAILED = 255
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games"
LONGEST_LOGGED = 100

_LONG = {"-q": "--quiet", "-v": "--verbose"}

_TEXTS = {
    "WSL_E_DISTRO_NOT_FOUND": (
        "There is no distribution with the supplied name.",
        "不存在具有所提供名称的分发。",
    ),
    "WSL_E_USER_NOT_FOUND": ("User not found.", "找不到用户。"),
    "no distributions": (
        "Windows Subsystem for Linux has no installed distributions.",
        "适用于 Linux 的 Windows 子系统没有已安装的分发。",
    ),
    "error code": ("Error code: ", "错误代码: "),
    "parameter missing": (
        "Argument {0} is missing a required parameter.",
        "自变量 {0} 缺少必需的参数。",
    ),
    "invalid argument": (
        "Invalid command line argument: {0}\n"
        "Please use 'wsl.exe --help' to get a list of supported arguments.",
        "无效的命令行参数： {0}\n请使用“wsl.exe --help' 获取受支持的参数列表。",
    ),
    "session 0": ("The file cannot be accessed by the system.", "系统无法访问此文件。"),
    "not installed": (
        "The Windows Subsystem for Linux is not installed. You can install by running 'wsl.exe --install'.",
        "未安装适用于 Linux 的 Windows 子系统。可通过运行 'wsl.exe --install' 进行安装。",
    ),
    "proxy": (
        "wsl: A localhost proxy configuration was detected but not mirrored into WSL. "
        "WSL in NAT mode does not support localhost proxies.",
        "wsl: 检测到 localhost 代理配置，但未镜像到 WSL。NAT 模式下的 WSL 不支持 localhost 代理。",
    ),
}


class WslError(Exception):
    """wsl.exe ends with a message of its own."""


def main(arguments: list[str], *, launcher: bool = False) -> int:
    """Run ``wsl.exe`` with these arguments; returns the exit code.

    Args:
        launcher: it is the one in System32, which hands over to what is installed.
    """
    machine = state.read()
    wsl, stopping = machine["wsl"], False
    raw = command_line.own(arguments)
    try:
        _installed(machine, launcher)
        code, stopping = Call(machine, wsl, raw).run()
    except WslError as error:
        _say(sys.stdout, str(error))
        code = FAILED
    logged = [word if len(word) <= LONGEST_LOGGED else "…" for word in command_line.split(raw)]
    state.log_call("wsl.exe", logged, code=code, write=stopping)
    return code


def _installed(machine: state.State, launcher: bool) -> None:
    kind = machine["wsl"]["kind"]
    if kind == "none":
        raise WslError(_text(machine, "not installed"))
    if kind == "store" and launcher and os.environ.get("LAB_WINDOWS_SESSION") == "0":
        raise WslError(_text(machine, "session 0"))


class Call:
    """One command line of ``wsl.exe``.

    Args:
        machine: the state of Windows.
        wsl: its part about WSL.
        rest: the command line after the program's name.
    """

    def __init__(self, machine: state.State, wsl: state.Wsl, rest: str) -> None:
        self._machine, self._wsl, self._rest = machine, wsl, rest
        self._name: str | None = None
        self._user = "root"

    def run(self) -> tuple[int, bool]:
        """Do it; returns the exit code, and whether distributions were stopped."""
        while word := self._word():
            match word:
                case "-d" | "--distribution":
                    self._name = self._known(self._parameter(word))
                case "-u" | "--user":
                    self._user = self._parameter(word)
                case "-e" | "--exec":
                    return self._exec(), False
                case "-l" | "--list":
                    return self._list(), False
                case "--shutdown":
                    return _stop(self._wsl["distributions"])
                case "-t" | "--terminate":
                    return _stop([self._known(self._parameter(word))])
                case _:
                    raise WslError(_text(self._machine, "invalid argument", word))
        raise SystemExit("wsl.exe: an interactive shell is not modelled here")

    def _word(self) -> str:
        """Take the next word, up to a blank; quotes are nothing special."""
        word = self._rest.split(maxsplit=1)[0] if self._rest.strip() else ""
        self._rest = self._rest.lstrip()[len(word) :].lstrip()
        return word

    def _parameter(self, option: str) -> str:
        if parameter := self._word():
            return parameter
        raise WslError(_text(self._machine, "parameter missing", option))

    def _known(self, name: str) -> str:
        """The name of a distribution, compared without case as the registry does."""
        for known in self._wsl["distributions"]:
            if known.lower() == name.lower():
                return known
        raise self._failure("WSL_E_DISTRO_NOT_FOUND", "Wsl/Service")

    def _failure(self, name: str, where: str) -> WslError:
        code = f"{_text(self._machine, 'error code')}{where}/{name}"
        return WslError(f"{_text(self._machine, name)}\n{code}")

    def _list(self) -> int:
        """Starts nothing. The default one comes first."""
        options = {_LONG.get(option, option) for option in iter(self._word, "")}
        names = sorted(self._wsl["distributions"], key=lambda name: name != self._wsl["default"])
        running = state.running()
        if options == {"--running", "--quiet"}:
            names = [name for name in names if name in running]
        elif options == {"--quiet"}:
            self._need_one()
        elif options == {"--verbose"}:
            self._need_one()
            names = list(self._rows(names, running))
        else:
            raise SystemExit(f"wsl.exe: --list {' '.join(sorted(options))} is not modelled here")
        for name in names:
            _say(sys.stdout, name)
        return 0

    def _rows(self, names: list[str], running: dict[str, bool]) -> Iterator[str]:
        width = max(map(len, [*names, "NAME"])) + 4
        yield f"  {'NAME':<{width}}{'STATE':<16}VERSION"
        versions = self._wsl.get("versions", {})
        for name in names:
            star = "*" if name == self._wsl["default"] else " "
            how = "Running" if name in running else "Stopped"
            yield f"{star} {name:<{width}}{how:<16}{versions.get(name, 2)}"

    def _need_one(self) -> None:
        if not self._wsl["distributions"]:
            raise WslError(_text(self._machine, "no distributions"))

    def _exec(self) -> int:
        self._need_one()
        words = command_line.split(self._rest)
        if not words:
            raise WslError(_text(self._machine, "parameter missing", "--exec"))
        if self._wsl["warning"]:
            _say(sys.stderr, _text(self._machine, "proxy"))
        name = self._name or self._wsl["default"]
        if name != self._wsl["default"]:
            raise SystemExit(
                f"wsl.exe: {name} is only a name here; the lab's distribution is the default one"
            )
        if name not in state.running():
            _start(name)
        if self._user != "root" and _inside(["id", "-u", self._user], quiet=True):
            raise self._failure("WSL_E_USER_NOT_FOUND", "Wsl")
        return _inside([*_as(self._user), "env", "-i", *_variables(self._user, name), *words])


def _as(user: str) -> list[str]:
    return [] if user == "root" else ["runuser", "-u", user, "--"]


def _variables(user: str, distribution: str) -> Iterator[str]:
    """The environment of a command. Windows hands on elevation (inferred from WslCoreInstance.cpp)."""
    home = "/root" if user == "root" else f"/home/{user}"
    yield from (f"HOME={home}", f"USER={user}", f"LOGNAME={user}", "SHELL=/bin/bash", "LANG=C.UTF-8")
    yield from (
        f"PATH={SEARCH_PATH}:/mnt/c/Windows/System32",
        f"WSL_DISTRO_NAME={distribution}",
        "NAME=WINDOWS",
    )
    if state.elevated():
        yield f"{state.ELEVATED}=1"


def _inside(words: list[str], *, quiet: bool = False) -> int:
    """Run a program in the distribution, with our own input and output; returns its exit code."""
    there = f"cd /mnt/c/Users/owner 2>/dev/null || cd /mnt/c 2>/dev/null; exec {shlex.join(words)}"
    local = ["sh", "-c", there]
    command = [*SSH, "-T", "dify-wsl", there] if SSH_CONFIG.exists() else local
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.call(command, **(streams if quiet else {}))


def _start(name: str) -> None:
    """Returns when the distribution runs, as the command that starts it waits for it."""
    state.note_start(name)
    _hook("wsl-started", name)
    if SSH_CONFIG.exists():
        _until(lambda: bool(_boot()))


def _stop(names: list[str]) -> tuple[int, bool]:
    """Returns when they are stopped, unless the caller stops with them."""
    before = _boot() if SSH_CONFIG.exists() else b""
    for name in names:
        state.note_stop(name)
    _hook("wsl-stopped", *names)
    if before:
        subprocess.call([*SSH, "-O", "exit", "dify-wsl"], stderr=subprocess.DEVNULL)
        _until(lambda: _boot() != before)
    return 0, True


def _hook(name: str, *distributions: str) -> None:
    program = HOOKS / name
    if program.exists():
        subprocess.call([program, *distributions], stdin=subprocess.DEVNULL)


def _boot() -> bytes:
    """Which boot of its machine the distribution is in; empty when nothing answers there."""
    asked = [*SSH, "-o", "ControlPath=none", "-o", "ConnectTimeout=2", "dify-wsl", f"cat {BOOT_ID}"]
    return subprocess.run(asked, check=False, stdin=subprocess.DEVNULL, capture_output=True).stdout


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)


def _text(machine: state.State, name: str, *values: str) -> str:
    return _TEXTS[name][machine["locale"] == "zh-CN"].format(*values)


def _say(stream: object, text: str) -> None:
    """Print as wsl.exe does; its C runtime makes every line end CRLF."""
    encoding = "utf-8" if os.environ.get("WSL_UTF8") == "1" else "utf-16-le"
    raw = stream.buffer  # type: ignore[attr-defined]
    raw.write(f"{text}\n".replace("\n", "\r\n").encode(encoding))
    raw.flush()
