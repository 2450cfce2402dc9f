"""Windows, seen from inside its WSL distribution through interop.

Windows programs print in the code page of the machine (GBK on a Chinese Windows), which is no valid UTF-8 and
would end the run while pyinfra decodes it. So whatever such a program prints crosses the connection as
base64, or not at all.
"""

from __future__ import annotations

from base64 import b64decode
from typing import TypeVar

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain import windows_door
from provision.domain.portproxy import REGISTRY_KEY, Rule, parse_registry

DRIVE = "/mnt/c"

_IP_HELPER_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\iphlpsvc"
_EXIT_CODE = b"exit code "

T = TypeVar("T")


def program(drive: str, name: str) -> QuoteString:
    """A program of Windows as the distribution calls it.

    Args:
        drive: where drive C: is mounted.
        name: for example ``reg.exe``.
    """
    return QuoteString(f"{drive}/Windows/System32/{name}")


class IsWsl1(FactBase[bool]):
    """Whether the host is a distribution of WSL 1, which has no Linux kernel to run containers on.

    Only WSL 1 has such a root file system (systemd/systemd#25298, microsoft/WSL#4555); names of kernels can
    be configured.
    """

    @staticmethod
    def default() -> bool:
        return False

    def command(self) -> str:
        return "grep -qE '^[^ ]+ / (lxfs|wslfs) ' /proc/mounts && echo yes || echo no"

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class IsWsl(FactBase[bool]):
    """Whether the host is a WSL distribution.

    WSL's kernel alone does not tell: containers of a Docker engine inside WSL run on it as well. Interop's
    entry in binfmt_misc, its sockets or the mounted drive are there in the distribution only.
    """

    @staticmethod
    def default() -> bool:
        return False

    def command(self, drive: str = DRIVE) -> StringCommand:
        return StringCommand(
            "grep -qis microsoft /proc/sys/kernel/osrelease &&",
            "{ [ -e /proc/sys/fs/binfmt_misc/WSLInterop ] || [ -e /run/WSL ] || [ -e",
            QuoteString(f"{drive}/Windows/System32"),
            "]; } && echo yes || echo no",
        )

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class WslAddress(FactBase[str | None]):
    """The distribution's own IPv4 address; Windows gives it a new one at every start."""

    def command(self, interface: str = "eth0") -> StringCommand:
        return StringCommand(
            "ip -4 -o address show dev", QuoteString(interface), "scope global 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> str | None:
        for line in output:
            _, found, rest = line.partition(" inet ")
            if found:
                return rest.split("/")[0]
        return None


class PortProxyRules(FactBase[list[Rule] | None]):
    """Every IPv4 port proxy rule of Windows; ``None`` where its registry cannot be read.

    ``reg.exe`` fails for a key that is missing, which only means that no rule was ever made. Broken interop
    fails alike, so a key that every Windows has is asked for next: only when that is found "none" is
    believed.
    """

    def command(self, drive: str = DRIVE) -> StringCommand:
        query = [program(drive, "reg.exe"), "query"]
        return StringCommand(
            "{", *query, QuoteString(REGISTRY_KEY), "||", *query, QuoteString(_IP_HELPER_KEY), "/v Start;",
            f"printf '{_EXIT_CODE.decode()}%s' $?; }} 2>/dev/null </dev/null | base64 -w0",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[Rule] | None:
        printed, _, code = b64decode("".join(output)).rpartition(_EXIT_CODE)
        return parse_registry(printed) if code == b"0" else None


class TaskRegistered(FactBase[bool]):
    """Whether a scheduled task is registered, and visible to the user of this distribution."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, task: str, drive: str = DRIVE) -> StringCommand:
        return StringCommand(
            "if", program(drive, "schtasks.exe"), "/query /tn", QuoteString(task),
            "</dev/null >/dev/null 2>&1; then echo yes; else echo no; fi",
        )  # fmt: skip

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class _DoorFile(FactBase[T]):
    """One of the door's files; the fact's default where there is none."""

    abstract = True
    file = windows_door.FOLDER

    def command(self, drive: str = DRIVE) -> StringCommand:
        return StringCommand("base64 -w0", QuoteString(f"{drive}/{self.file}"), "2>/dev/null || true")


class DoorSettings(_DoorFile[windows_door.Settings | None]):
    """What the administrator has allowed the door to do."""

    file = windows_door.SETTINGS

    def process(self, output: list[str]) -> windows_door.Settings | None:
        return windows_door.parse_settings(b64decode("".join(output)))


class DoorDigest(FactBase[str | None]):
    """SHA-256 of the script behind the door, as :func:`script_digest` has it; ``None`` if there is none."""

    def command(self, drive: str = DRIVE) -> StringCommand:
        script = QuoteString(f"{drive}/{windows_door.SCRIPT}")
        return StringCommand("[ ! -r", script, "] || tr -d '\\r' <", script, "| sha256sum")

    def process(self, output: list[str]) -> str | None:
        return output[0].split()[0] if output else None


class DoorResult(_DoorFile[windows_door.Result | None]):
    """The door's last answer."""

    file = windows_door.RESULT

    def process(self, output: list[str]) -> windows_door.Result | None:
        return windows_door.parse_result(b64decode("".join(output)))


class OwnedRules(_DoorFile[frozenset[str]]):
    """Listen pairs (``address/port``) of the rules that the door has made; all others are somebody else's."""

    file = windows_door.OWNED_RULES

    @staticmethod
    def default() -> frozenset[str]:
        return frozenset()

    def process(self, output: list[str]) -> frozenset[str]:
        return windows_door.parse_owned_rules(b64decode("".join(output)))
