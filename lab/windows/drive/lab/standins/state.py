"""The one state of the stand-in Windows: its registry, scheduled tasks and network adapters."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NotRequired, TypedDict

DRIVE = Path(__file__).resolve().parents[2]
# A variable may name another state file, so that a test can look at two machines with one drive.
STATE = Path(os.environ.get("LAB_WINDOWS_STATE", DRIVE / "lab/state.json"))
CALLS = STATE.with_name("calls.jsonl")

# One file for each distribution that runs; it says whether whoever started that one was elevated.
RUNNING = STATE.with_name("running")

# Windows keeps elevation in the process token and hands it to children; here the environment does. The task
# scheduler's stand-in and the one of sshd set it. A program that a distribution starts by itself has none: it
# gets the token of whoever started the distribution (inferred from WslCoreInstance.cpp in microsoft/WSL).
ELEVATED = "LAB_WINDOWS_ELEVATED"
_WHOSE_TOKEN = {True: "elevated", False: "unelevated"}

FIREWALL_KEY = (
    "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
    "\\FirewallRules"
)
PORT_PROXY_KEY = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\PortProxy\\v4tov4\\tcp"


class Task(TypedDict):
    """A scheduled task: the program (a path on the drive) and its arguments, and whether it runs elevated."""

    action: list[str]
    elevated: bool


class Value(TypedDict):
    """A registry value, with the data as ``reg.exe`` prints it."""

    type: str
    data: str


class Wsl(TypedDict):
    """WSL as it is installed.

    ``kind`` is ``msi`` (starts everywhere), ``store`` (its launcher does not start for services) or ``none``.
    The default distribution is the lab's; others are names only. With ``warning`` every command comes after
    the one about a proxy on localhost, which many machines give. Distributions are of WSL 2, unless
    ``versions`` says 1.
    """

    kind: str
    distributions: list[str]
    default: str
    warning: bool
    versions: NotRequired[dict[str, int]]


class State(TypedDict):
    """Everything that the stand-ins share.

    ``registry`` maps a full key to its values by name; both are compared without case, as Windows does.
    ``profile`` is the folder of the user whose distribution WSL is.
    ``adapters`` maps the name of a network adapter of Windows to its address with prefix length.
    ``locale`` is ``en-US`` or ``zh-CN``. ``listeners`` are address, port and process id; ``processes`` maps
    an id to the program's name and the services in it; ``excluded`` are first and last port of a range, and
    whether an administrator excluded it. ``profile`` is that of every network: Domain, Private or Public.
    """

    locale: str
    registry: dict[str, dict[str, Value]]
    tasks: dict[str, Task]
    adapters: dict[str, str]
    profile: str
    wsl: Wsl
    listeners: list[tuple[str, int, int]]
    processes: dict[str, list[str]]
    excluded: list[tuple[int, int, bool]]
    network: str


def read() -> State:
    """Read the state as it is now."""
    state: State = json.loads(STATE.read_text("utf-8"))
    return state


@contextlib.contextmanager
def changing() -> Iterator[State]:
    """Lock the state, hand it out, and write back what the caller made of it, unless that raised an error."""
    with STATE.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read()
        state = copy.deepcopy(before)
        yield state
        if state != before:
            fresh = STATE.with_suffix(".new")
            fresh.write_text(json.dumps(state, indent=2, ensure_ascii=False) + "\n", "utf-8")
            fresh.replace(STATE)


def listeners(machine: State) -> list[tuple[str, int, int]]:
    """Everything that listens, IP Helper included: (address, port, process id)."""
    found = [(address, port, pid) for address, port, pid in machine["listeners"]]
    helper = next(
        (int(pid) for pid, (_, *names) in machine["processes"].items() if "iphlpsvc" in names), None
    )
    for pair in machine["registry"].get(PORT_PROXY_KEY, {}):
        address, _, port = pair.partition("/")
        address = "0.0.0.0" if address == "*" else address  # noqa: S104 - as netstat shows it
        taken = {number for _, number, _ in found}
        if helper is not None and int(port) not in taken:
            found.append((address, int(port), helper))
    return found


def running() -> dict[str, bool]:
    """The distributions that run; whether they were started elevated."""
    found = RUNNING.iterdir() if RUNNING.is_dir() else ()
    return {path.name: path.read_text("ascii").strip() == _WHOSE_TOKEN[True] for path in found}


def note_start(name: str) -> None:
    """A distribution begins to run, with the token of this process."""
    RUNNING.mkdir(exist_ok=True)
    (RUNNING / name).write_text(_WHOSE_TOKEN[elevated()], "ascii")


def note_stop(name: str) -> None:
    """A distribution does not run any more."""
    (RUNNING / name).unlink(missing_ok=True)


def elevated() -> bool:
    """Whether this process has an administrator's full token."""
    own = os.environ.get(ELEVATED)
    return any(running().values()) if own is None else own == "1"


def log_call(program: str, arguments: list[str], *, code: int, write: bool) -> None:
    """Note a call, so that tests can count them.

    Args:
        write: whether the call has changed something.
    """
    entry = {
        "time": time.time(),
        "program": program,
        "arguments": arguments,
        "elevated": elevated(),
        "code": code,
        "write": write,
    }
    with CALLS.open("a", encoding="utf-8") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.write(json.dumps(entry, ensure_ascii=False) + "\n")
