"""Which TCP ports of Windows are taken, and by whom.

Read from ``netstat.exe -ano``, ``tasklist.exe /svc`` and ``netsh.exe``, by their columns only: each word that
these print is in the language of the machine, no number is. (PowerShell could say the same as JSON, but takes
seconds to start, and seconds more on a machine that is starting models.)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from provision.domain.portproxy import decode_console

# A listener has no other side; states ("LISTENING", "ABHÖREN") are words.
NO_OTHER_SIDE = ("0.0.0.0:0", "[::]:0")
SYSTEM = 4
IP_HELPER = "iphlpsvc"
# Repeat on Windows' loopback what listens inside WSL, which is looked at there: the second one before WSL 1.1
# (CzBiX/WSLHostPatcher#18).
WSL_RELAYS = ("wslrelay.exe", "wslhost.exe")

# Services that listen by HTTP.sys: their sockets all belong to process 4 (docker/for-win#3171 and others).
HTTP_SYS_USERS = {
    "w3svc": "IIS",
    "was": "IIS",
    "winrm": "Windows Remote Management",
    "msdepsvc": "Web Deploy",
    "reportserver": "SQL Server Reporting Services",
    "sqlserverreportingservices": "SQL Server Reporting Services",
    "peerdistsvc": "BranchCache",
    "syncsharesvc": "Work Folders",
    "iisadmin": "IIS",
}


@dataclass(frozen=True)
class Process:
    """A process of Windows: the name of its program and of the services in it."""

    name: str
    services: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.services)})" if self.services else self.name


@dataclass(frozen=True)
class WindowsPorts:
    """What keeps programs from listening on Windows.

    Attributes:
        listeners: (address, port, process id) of every IPv4 listener.
        processes: by process id.
        excluded: first and last port of ranges that Windows hands to nobody.
    """

    listeners: tuple[tuple[str, int, int], ...] = ()
    processes: Mapping[int, Process] = field(default_factory=dict)
    excluded: tuple[tuple[int, int], ...] = ()

    def holder(self, port: int, rules: Collection[int]) -> str | None:
        """Who keeps us from a port, for people; ``None`` when it is free for us.

        Args:
            port: TCP port of Windows.
            rules: ports that IPv4 port proxy rules listen on. IP Helper's listeners there are theirs, and who
                made them is told by the rules themselves.
        """
        forwarded = False
        for _, taken, pid in self.listeners:
            if taken != port:
                continue
            process = self.processes.get(pid, Process("a process of Windows"))
            if IP_HELPER in map(str.lower, process.services):
                if port not in rules:
                    return (
                        f"IP Helper (process {pid} of Windows), for a rule of another kind than IPv4 to IPv4 "
                        "(netsh interface portproxy show all),"
                    )
                forwarded = True
            elif process.name.lower() not in WSL_RELAYS:
                return self._system() if pid == SYSTEM else f"{process}, process {pid} of Windows,"
        for first, last in self.excluded:
            if first <= port <= last and not forwarded:
                return (
                    f"Windows' reserved range {first}-{last} "
                    "(netsh interface ipv4 show excludedportrange protocol=tcp)"
                )
        return None

    def _system(self) -> str:
        running = [service for process in self.processes.values() for service in process.services]
        suspects = {
            f"{HTTP_SYS_USERS[service.lower()]} ({service})"
            for service in running
            if service.lower() in HTTP_SYS_USERS
        }
        named = f"running here: {', '.join(sorted(suspects))}" if suspects else "IIS is the usual one"
        return f"HTTP.sys (process 4), for a web service of Windows ({named}; netsh http show servicestate),"


def parse_ports(netstat: bytes, tasklist: bytes, excluded: bytes) -> WindowsPorts | None:
    """Read what the three programs printed; ``None`` when Windows' programs do not run from here.

    Args:
        netstat: of ``netstat.exe -ano -p TCP``. Every Windows listens somewhere (RPC, 135).
        tasklist: of ``tasklist.exe /svc /fo csv /nh``.
        excluded: of ``netsh.exe interface ipv4 show excludedportrange protocol=tcp``.
    """
    listeners = tuple(_listeners(decode_console(netstat)))
    if not listeners:
        return None
    return WindowsPorts(
        listeners, dict(_processes(decode_console(tasklist))), _ranges(decode_console(excluded))
    )


def _listeners(text: str) -> list[tuple[str, int, int]]:
    found = []
    for line in text.splitlines():
        columns = line.split()
        if len(columns) >= 4 and columns[0] == "TCP" and columns[2] in NO_OTHER_SIDE:
            address, _, port = columns[1].rpartition(":")
            if not address.startswith("[") and port.isdecimal() and columns[-1].isdecimal():
                found.append((address, int(port), int(columns[-1])))
    return found


def _processes(text: str) -> list[tuple[int, Process]]:
    found = []
    for row in csv.reader(text.splitlines()):
        if len(row) >= 3 and row[1].isdecimal():
            # Names of services have no blanks in them nor letters of other languages, "not available" has.
            services = tuple(name for name in row[2].split(",") if re.fullmatch(r"[A-Za-z0-9_.$-]+", name))
            found.append((int(row[1]), Process(row[0], services)))
    return found


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Ranges without a star: with one an administrator keeps a port from Hyper-V, so that programs get it."""
    rows = re.findall(r"^\s*(\d+)\s+(\d+)\s*$", text, re.MULTILINE)
    return tuple((int(first), int(last)) for first, last in rows)
