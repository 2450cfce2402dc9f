"""A WSL distribution as found: whether it holds, and whose it is."""

from __future__ import annotations

from base64 import b64decode

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.secrets import ETC
from provision.domain.wsl_settings import HOLD_TASK, mounted
from provision.facts.windows import DRIVE, program

# Holds the id of the boot under which a setting of WSL was changed. It is that of the virtual machine, which
# only `wsl --shutdown` ends. No clocks are compared: a distribution's goes wrong while Windows sleeps.
RESTART_DUE = f"{ETC}/wsl-restart-due"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class BootId(FactBase[str]):
    """Id of the running kernel's boot; another one after `wsl --shutdown`."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self) -> StringCommand:
        return StringCommand("cat", BOOT_ID)

    def process(self, output: list[str]) -> str:
        return output[0] if output else ""


class RestartDue(FactBase[bool]):
    """Whether WSL runs with older settings than those that an earlier run has written."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self) -> StringCommand:
        return StringCommand("cmp -s", RESTART_DUE, BOOT_ID, "&& echo yes || echo no")

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class HoldRegistered(FactBase[bool]):
    """Whether the task that starts and holds the distribution is registered."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, drive: str = DRIVE) -> StringCommand:
        return StringCommand(
            "if", program(drive, "schtasks.exe"), "/query /tn", QuoteString(HOLD_TASK),
            "</dev/null >/dev/null 2>&1; then echo yes; else echo no; fi",
        )  # fmt: skip

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class WindowsProfile(FactBase[str | None]):
    """The folder of the Windows user whose distribution this is, as mounted here; ``None`` if unknown.

    Names of users may be Chinese. ``/u`` has the shell's own commands write UTF-16 whatever the code page is
    (documentation of cmd), ``/d`` keeps start-up commands of the user's from printing before it. A folder of
    Linux as working directory would make it complain.
    """

    def command(self, drive: str = DRIVE) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(drive), "2>/dev/null && [ -e", program(drive, "cmd.exe"), "] || exit 0;",
            program(drive, "cmd.exe"), "/d /u /c echo %USERPROFILE% 2>/dev/null </dev/null | base64 -w0;",
            # The folder where drive C: is mounted is told with it.
            "echo; pwd",
        )  # fmt: skip

    def process(self, output: list[str]) -> str | None:
        if len(output) < 2:
            return None
        *printed, drive = output
        return mounted(b64decode("".join(printed)).decode("utf-16-le", errors="replace").strip(), drive)
