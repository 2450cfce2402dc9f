"""The engine: the machine's own Docker when it answers, else a dockerd of the lab's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from lab import leftovers, paths, recipes
from lab.docker import Docker
from lab.steps import log_tail

DATA = paths.ENGINE / "data"
SOCKET = paths.ENGINE / "docker.sock"
PID_FILE = paths.ENGINE / "dockerd.pid"
LOG = paths.ENGINE / "dockerd.log"
# Short, since containerd's sockets live below it and a socket's path ends at 107 characters (unix(7)).
EXEC_ROOT = Path("/run/dvd-lab-docker")
START_SECONDS = 60
STOP_SECONDS = 30


class EngineError(RuntimeError):
    """No Docker engine can be had; the message says why."""


def connect() -> Docker | None:
    """A client of the engine that is running now: the machine's, else the lab's own; ``None`` without any."""
    return next((docker for docker in (Docker(), own()) if docker.answers()), None)


def own() -> Docker:
    """A client of the lab's own dockerd, whether it runs or not."""
    return Docker(f"unix://{SOCKET}")


def keeps_containers() -> bool:
    """Whether the lab's own dockerd has containers on its disk, also while it does not run."""
    return any((DATA / "containers").glob("*"))


def ensure() -> Docker:
    """A client of a running engine, started when there is none.

    Raises:
        EngineError: dockerd is missing, does not come up, cannot keep its layers here, or another clone's lab
            is up.
    """
    with recipes.only_one("dockerd"):
        running = connect()
        if running:
            return running
        _refuse_overlay()
        paths.ENGINE.mkdir(parents=True, exist_ok=True)
        _start()
        return own()


def stop() -> bool:
    """Stop the lab's own dockerd, if it runs; its images stay as a cache. True when one was stopped."""
    pid = _pid()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _pid() is not None:
        if time.monotonic() > deadline:
            raise EngineError(f"dockerd (process {pid}) does not stop; its log: {LOG}")
        time.sleep(0.1)
    SOCKET.unlink(missing_ok=True)
    return True


def _pid() -> int | None:
    """The process id of the lab's own dockerd while it lives."""
    try:
        pid = int(PID_FILE.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    # A zombie (its parent has not waited yet) still has a name but no command line.
    alive = name == "dockerd" and Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    return pid if alive else None


def _refuse_second() -> None:
    """Two labs cannot share the lab's addresses."""
    for engine in leftovers.engines(EXEC_ROOT):
        raise EngineError(f"another lab is up and has the addresses; take it down in its folder ({engine})")


def _start() -> None:
    if _pid() is None:
        _refuse_second()
        leftovers.remove(EXEC_ROOT)
        PID_FILE.unlink(missing_ok=True)
        command = [
            "dockerd",
            f"--data-root={DATA}",
            f"--exec-root={EXEC_ROOT}",
            f"--pidfile={PID_FILE}",
            f"--host=unix://{SOCKET}",
        ]
        with LOG.open("ab") as log:
            try:
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            except FileNotFoundError:
                raise EngineError(
                    "no Docker answers and there is no dockerd to start: install docker.io"
                ) from None
    deadline = time.monotonic() + START_SECONDS
    while not own().answers():
        if time.monotonic() > deadline:
            raise EngineError(f"dockerd does not answer; its log {LOG} ends:\n{log_tail(LOG)}")
        time.sleep(0.1)


def _refuse_overlay() -> None:
    """overlay2 cannot stack on an overlay (the usual root of a container)."""
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(paths.ROOT)], capture_output=True, text=True, check=True
    ).stdout.strip()
    if kind == "overlayfs":
        raise EngineError(
            f"{paths.ROOT} lies on an overlay, where Docker cannot keep layers: use a real disk"
        )
