"""The stand-in's containers as processes on loopback, started with the environment compose would give."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 10


@dataclass
class Process:
    """A running server.

    Args:
        url: where it answers, without a slash at the end.
    """

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: Any = probe.getsockname()[1]
        return int(port)


def container(role: str, port: int, environment: Mapping[str, str], log: Path) -> Process:
    """A container of the stand-in: state in memory, unless the environment names a database.

    Args:
        role: as in ``python -m standin ROLE``.
        log: file that gets what it prints.
    """
    ports = {"DIFY_PORT": str(port), "SERVER_PORT": str(port)}
    health = {"api": "/health", "plugin_daemon": "/health/check"}[role]
    return _start(
        [sys.executable, "-m", "lab.dify.standin", role], port, health, {**ports, **environment}, log
    )


def model_endpoint(port: int, log: Path) -> Process:
    """The fake of a model server."""
    script = str(Path(__file__).parent / "model_endpoint.py")
    return _start([sys.executable, script, str(port)], port, "/health", {}, log)


def _start(argv: list[str], port: int, health: str, environment: Mapping[str, str], log: Path) -> Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv, cwd=ROOT, env={**kept, **environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    started = Process(f"http://127.0.0.1:{port}", process)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(started.url + health, timeout=2, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return started
    started.stop()
    raise RuntimeError(f"{argv} does not answer on port {port}:\n{log.read_text()[-2000:]}")
