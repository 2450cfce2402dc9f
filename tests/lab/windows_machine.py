"""A Windows of stand-ins in a folder, for the tests beside this file."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from provision.domain import firewall, windows_door
from provision.domain.portproxy import REGISTRY_KEY, Rule, parse_registry

WINDOWS = Path(__file__).parents[2] / "lab/windows"
SUBNET = "127.0.0.200/8"  # so that this machine's loopback is the distribution


class Machine:
    """A Windows with its drive in a folder of this machine."""

    def __init__(self, drive: Path) -> None:
        self.drive = drive
        shutil.copytree(WINDOWS / "drive", drive, ignore=shutil.ignore_patterns("__pycache__"))
        self.change(adapters={"vEthernet (WSL)": SUBNET})

    def change(self, **parts: Any) -> None:
        path = self.drive / "lab/state.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | parts), "utf-8")

    def run(self, name: str, *arguments: str, elevated: bool = False) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            [self.drive / "Windows/System32" / name, *arguments],
            capture_output=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LAB_WINDOWS_ELEVATED": "1" if elevated else "0"},
        )
        return done.returncode, done.stdout, done.stderr

    def netsh(self, verb: str, *arguments: str, elevated: bool = True) -> tuple[int, bytes, bytes]:
        return self.run("netsh.exe", "interface", "portproxy", verb, "v4tov4", *arguments, elevated=elevated)

    @property
    def rules(self) -> list[Rule]:
        return parse_registry(self.run("reg.exe", "query", REGISTRY_KEY)[1])

    @property
    def calls(self) -> list[dict[str, Any]]:
        log = self.drive / "lab/calls.jsonl"
        return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []

    def writes(self) -> int:
        """How often something of Windows was changed; the door's own line only sums up what it called."""
        return sum(call["write"] for call in self.calls if call["program"] != "door")

    @property
    def openings(self) -> dict[str, str]:
        return firewall.parse_rules(self.run("reg.exe", "query", firewall.REGISTRY_KEY)[1])

    def advfirewall(self, verb: str, *arguments: str, elevated: bool = True) -> tuple[int, bytes, bytes]:
        words = ("advfirewall", "firewall", verb, "rule", *arguments)
        return self.run("netsh.exe", *words, elevated=elevated)

    def door(self, request: bytes) -> windows_door.Result:
        """Have the door handle a request, in the foreground."""
        (self.drive / windows_door.REQUEST).write_bytes(request)
        door = self.drive / windows_door.FOLDER / "door.py"
        subprocess.run([door], check=False, env={"PATH": "/usr/bin:/bin", "LAB_WINDOWS_ELEVATED": "1"})
        result = windows_door.parse_result((self.drive / windows_door.RESULT).read_bytes())
        assert result is not None
        return result

    def allow(self, *ports: int) -> None:
        settings = windows_door.Settings(allowed_ports=list(ports))
        (self.drive / windows_door.SETTINGS).write_text(settings.model_dump_json(), "utf-8")
