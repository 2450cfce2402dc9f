"""The test hosts that the deploy is run against."""

from __future__ import annotations

from lab.hosts.boot import BootError, boot, reboot

__all__ = ["BootError", "boot", "reboot"]
