"""Waiting for something to answer, with an end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from lab.addresses import Address

PAUSE_SECONDS = 0.05


def until(ready: Callable[[], bool], what: str, seconds: float, pause: float = PAUSE_SECONDS) -> None:
    """Ask again and again.

    Args:
        pause: seconds between two questions; more where each is work for those who are asked.

    Raises:
        TimeoutError: not ready after ``seconds``; the message names ``what``.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


def greets(address: Address) -> bool:
    """Whether a host's sshd says its greeting."""
    assert address.ssh_port is not None
    try:
        with socket.create_connection((address.ip, address.ssh_port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def accepts(ip: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((ip, port), timeout=1):
            return True
    except OSError:
        return False
