"""The state of a service, read from its supervisor and from the running process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.service import STARTED


@dataclass(frozen=True)
class ServiceStatus:
    """What is known of a service.

    Attributes:
        running: whether its main process lives.
        enabled: whether it starts with the machine (always so under supervisord).
        stale: whether the supervisor has not yet read the unit file that lies on disk.
        digest: fingerprint that the running process carries, empty when it carries none.
    """

    running: bool = False
    enabled: bool = False
    stale: bool = False
    digest: str = ""


class _Status(FactBase[ServiceStatus]):
    @staticmethod
    def default() -> ServiceStatus:
        return ServiceStatus()

    def process(self, output: list[str]) -> ServiceStatus:
        found = dict(line.split("=", 1) for line in output if "=" in line)
        return ServiceStatus(
            running=found.get("ActiveState") == "active",
            enabled=found.get("UnitFileState") == "enabled",
            stale=found.get("NeedDaemonReload") == "yes",
            digest=found.get("Digest", ""),
        )


def _digest(directory: str) -> StringCommand:
    """Prints the digest that the launcher noted, if it noted it for the process in ``$p``."""
    started = QuoteString(f"{directory}/{STARTED}")
    return StringCommand(
        "[ -e", started, "] && read -r pid digest <", started,
        '&& [ "$pid" = "$p" ] && echo "Digest=$digest"; true',
    )  # fmt: skip


class SystemdService(_Status):
    """A systemd unit whose launcher lies in the given folder."""

    def command(self, unit: str, directory: str) -> StringCommand:
        show = StringCommand(
            "systemctl show --property=ActiveState,UnitFileState,NeedDaemonReload,MainPID", QuoteString(unit)
        )
        return StringCommand(
            "s=$(", show, '); echo "$s"; p=${s##*MainPID=}; p=${p%%[!0-9]*};', _digest(directory)
        )  # fmt: skip


class SupervisorProgram(_Status):
    """A program under the supervisord that has the given configuration file."""

    def command(self, program: str, configuration: str, directory: str) -> StringCommand:
        control = StringCommand("supervisorctl", "-c", QuoteString(configuration))
        return StringCommand(
            "[ -e", QuoteString(configuration), "] || exit 0;",
            "s=$(", control, "status", QuoteString(program), "2>/dev/null);",
            'case "$s" in *RUNNING*|*STARTING*) echo ActiveState=active; echo UnitFileState=enabled;; esac;',
            "p=$(", control, "pid", QuoteString(program), "2>/dev/null);",
            _digest(directory),
        )  # fmt: skip


class ServiceLog(FactBase[Sequence[str]]):
    """The last lines that a service wrote, oldest first; its output must hold no secrets."""

    @staticmethod
    def default() -> Sequence[str]:
        return ()

    def command(self, service: str, directory: str, lines: int = 25) -> StringCommand:
        return StringCommand(
            'if [ "$(cat /proc/1/comm)" = systemd ]; then',
            f"journalctl --no-pager --lines {lines} --output cat --unit", QuoteString(service),
            f"; else tail -n {lines}", QuoteString(f"{directory}/output.log"), "; fi 2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> Sequence[str]:
        return tuple(output)


class SupervisordRuns(FactBase[bool]):
    """Whether the supervisord of the given configuration file answers."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, configuration: str) -> StringCommand:
        return StringCommand(
            "[ -e",
            QuoteString(configuration),
            "] && supervisorctl -c",
            QuoteString(configuration),
            "pid 2>/dev/null; true",
        )

    def process(self, output: list[str]) -> bool:
        return any(line.strip().isdigit() for line in output)
