"""What runs a host's services."""

from __future__ import annotations

from pyinfra.api import FactBase


class Systemd(FactBase[bool]):
    """Whether PID 1 is systemd. Rented GPU containers often have ``systemctl`` but not systemd."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self) -> str:
        return "cat /proc/1/comm"

    def process(self, output: list[str]) -> bool:
        return output == ["systemd"]
