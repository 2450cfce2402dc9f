"""Windows' network, seen from inside its WSL distribution: ports, firewall, WSL's network."""

from __future__ import annotations

from base64 import b64decode

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain import firewall
from provision.domain.windows_ports import WindowsPorts, parse_ports
from provision.facts.windows import DRIVE, program

_EXIT_CODE = b"exit code "


class NetworkingMode(FactBase[str]):
    """The mode of WSL's running network; empty where nothing tells it.

    Before WSL 2.0 there is no ``wslinfo``; only mirrored networking has an interface ``loopback0``
    (microsoft/WSL#12161 and others). ``.wslconfig`` is not asked: it says what was wished for, and WSL falls
    back to NAT when it cannot (microsoft/WSL#11540).
    """

    @staticmethod
    def default() -> str:
        return ""

    def command(self) -> str:
        return (
            'mode=$(wslinfo --networking-mode 2>/dev/null); [ -n "$mode" ] ||'
            ' { [ ! -e /sys/class/net/loopback0 ] || mode=mirrored; }; echo "$mode"'
        )

    def process(self, output: list[str]) -> str:
        return "".join(output).strip().lower()


class PortsOfWindows(FactBase[WindowsPorts | None]):
    """Who listens on Windows, and what it reserves; ``None`` where its programs do not run."""

    def command(self, drive: str = DRIVE) -> StringCommand:
        end = "</dev/null 2>/dev/null | base64 -w0; echo;"
        return StringCommand(
            program(drive, "netstat.exe"), "-ano -p TCP", end,
            program(drive, "tasklist.exe"), "/svc /fo csv /nh", end,
            program(drive, "netsh.exe"), "interface ipv4 show excludedportrange protocol=tcp", end,
        )  # fmt: skip

    def process(self, output: list[str]) -> WindowsPorts | None:
        printed = [b64decode(line) for line in [*output, "", "", ""][:3]]
        return parse_ports(*printed)


class FirewallRules(FactBase[dict[str, str] | None]):
    """Our rules of Windows' firewall, name to data; ``None`` where its registry cannot be read."""

    def command(self, drive: str = DRIVE) -> StringCommand:
        return StringCommand(
            "{", program(drive, "reg.exe"), "query", QuoteString(firewall.REGISTRY_KEY),
            f'2>/dev/null </dev/null; printf "\\n{_EXIT_CODE.decode()}%s" $?; }} |',
            # Windows has hundreds of rules.
            f"LC_ALL=C grep -a -e {firewall.RULE_PREFIX} -e '{_EXIT_CODE.decode()}' | base64 -w0",
        )  # fmt: skip

    def process(self, output: list[str]) -> dict[str, str] | None:
        printed, _, code = b64decode("".join(output)).rpartition(_EXIT_CODE)
        return firewall.parse_rules(printed) if code.strip() == b"0" else None


class IgnoringProfiles(FactBase[list[str]]):
    """Profiles on which a group policy makes Windows' firewall ignore local rules."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, drive: str = DRIVE) -> StringCommand:
        return StringCommand(
            program(drive, "reg.exe"), "query", QuoteString(firewall.POLICY_KEY),
            "/s </dev/null 2>/dev/null | base64 -w0",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return firewall.ignoring_profiles(b64decode("".join(output)))
