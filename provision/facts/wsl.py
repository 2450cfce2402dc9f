"""A WSL distribution as found: whether it holds, and whose it is."""

from __future__ import annotations

from base64 import b64decode

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.secrets import ETC
from provision.domain.wsl_restart import Noted
from provision.domain.wsl_settings import mounted
from provision.facts.windows import DRIVE, program

# Holds the id of the boot under which a restart of WSL was found to be due. It is that of the virtual
# machine, which only `wsl --shutdown` ends. No clocks are compared: WSL's goes wrong while Windows sleeps.
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


class NotedRestart(FactBase[Noted]):
    """Whether an earlier run has noted that WSL needs a restart, and whether it was restarted since."""

    @staticmethod
    def default() -> Noted:
        return Noted.NEVER

    def command(self) -> StringCommand:
        return StringCommand(
            "if cmp -s", RESTART_DUE, BOOT_ID, f"; then echo {Noted.DUE.value};",
            "elif [ -e", RESTART_DUE, f"]; then echo {Noted.DONE.value}; else echo {Noted.NEVER.value}; fi",
        )  # fmt: skip

    def process(self, output: list[str]) -> Noted:
        return Noted(output[0]) if output else Noted.NEVER


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
