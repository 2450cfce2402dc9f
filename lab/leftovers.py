"""What a killed engine of the lab leaves behind, in this clone of the repository or in another.

Its bridge stays up with the lab's address, and the kernel's route to the lab keeps leading there: an engine
with another data folder makes a second bridge, and no host of the lab can be reached. Its containerd, when
that survived, keeps a new one from starting; and what ran in its containers runs on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.addresses import GATEWAY

BRIDGE = re.compile(r"br-[0-9a-f]{12}")  # the names that Docker gives


@dataclass(frozen=True)
class Process:
    """A process of this machine."""

    pid: int
    parent: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"process {self.pid}: {' '.join(self.words)}"


def engines(exec_root: Path) -> list[Process]:
    """The dockerds that run here with this folder."""
    return _of(exec_root, "dockerd", _processes())


def remove(exec_root: Path) -> None:
    """Remove everything that engines with this folder left; call it only while there are no `engines`."""
    processes = _processes()
    helpers = {p.pid for p in _of(exec_root, "containerd(-shim-.*)?", processes)}
    for process in processes:
        # A container's first process is a child of its shim; with it ends all that runs in the container.
        if process.pid in helpers or process.parent in helpers:
            _kill(process.pid)
    for namespace in (exec_root / "netns").glob("*"):
        subprocess.run(["umount", namespace], check=False, capture_output=True)
    shutil.rmtree(exec_root, ignore_errors=True)
    for bridge in _bridges():
        subprocess.run(["ip", "link", "delete", bridge], check=True)


def _processes() -> list[Process]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            # The name before it, in parentheses, may hold anything (proc_pid_stat(5)).
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:  # ended meanwhile
            continue
        found.append(Process(int(folder.name), int(parent), tuple(words)))
    return found


def _of(exec_root: Path, program: str, processes: list[Process]) -> list[Process]:
    """Those of a program that were given the folder, or a file below it, and live in this network."""
    named = re.compile(rf"(--exec-root=)?{re.escape(str(exec_root))}(/.*)?")
    return [
        process
        for process in processes
        if re.fullmatch(program, Path(process.words[0]).name)
        and any(named.fullmatch(word) for word in process.words)
        and _is_here(process.pid)
    ]


def _is_here(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:  # ended meanwhile
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _bridges() -> list[str]:
    """Docker's bridges that hold the lab's address."""
    answer = subprocess.run(
        ["ip", "-json", "-4", "address", "show", "to", GATEWAY], capture_output=True, text=True, check=True
    )
    names = [interface["ifname"] for interface in json.loads(answer.stdout) if interface]
    return [name for name in names if BRIDGE.fullmatch(name)]
