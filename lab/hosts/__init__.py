"""The test hosts that the deploy is run against."""

from __future__ import annotations

from lab.hosts.boot import BootError, boot, reboot, wipe

__all__ = ["BootError", "boot", "reboot", "wipe"]
