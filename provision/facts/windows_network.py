"""Windows' network, seen from inside its WSL distribution: ports, firewall, the way to the LAN."""

from __future__ import annotations

from base64 import b64decode

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain import firewall
from provision.domain.windows_ports import WindowsPorts, parse_ports
from provision.domain.wsl_network import Way, way
from provision.facts.windows import DRIVE, program

_EXIT_CODE = b"exit code "


class WayToTheLan(FactBase[Way]):
    """How ports of the distribution get to the LAN."""

    @staticmethod
    def default() -> Way:
        return Way.PORT_PROXY

    def command(self) -> str:
        return (
            "docker info --format '{{.OperatingSystem}}' 2>/dev/null | grep -qix 'docker desktop'"
            " && echo desktop; [ -e /sys/class/net/loopback0 ] && echo loopback0;"
            ' echo "mode $(wslinfo --networking-mode 2>/dev/null)"'
        )

    def process(self, output: list[str]) -> Way:
        modes = [line.removeprefix("mode").strip().lower() for line in output if line.startswith("mode")]
        return way("desktop" in output, "".join(modes), "loopback0" in output)


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
