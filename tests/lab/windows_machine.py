"""A Windows of stand-ins in a folder, for the tests beside this file."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from provision.domain import firewall, windows_door
from provision.domain.portproxy import REGISTRY_KEY, Rule, parse_registry
from provision.domain.wsl_settings import HOLD_TASK

ROOT = Path(__file__).parents[2]
WINDOWS = ROOT / "lab/windows"
SUBNET = "127.0.0.200/8"  # so that this machine's loopback is the distribution


class Machine:
    """A Windows with its drive in a folder of this machine."""

    def __init__(self, drive: Path) -> None:
        self.drive = drive
        shutil.copytree(WINDOWS / "drive", drive, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "bootstrap/door.ps1", drive / windows_door.SCRIPT)
        tasks = self.state["tasks"]
        tasks[HOLD_TASK]["action"][-2:] = ["true"]  # starts the distribution, and leaves no process behind
        self.change(adapters={"vEthernet (WSL)": SUBNET}, tasks=tasks)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.drive / "lab/state.json").read_text("utf-8"))
        return found

    @property
    def running(self) -> dict[str, str]:
        """Each distribution that runs, and whether it was started elevated."""
        folder = self.drive / "lab/running"
        return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}

    def change(self, **parts: Any) -> None:
        (self.drive / "lab/state.json").write_text(json.dumps(self.state | parts), "utf-8")

    def run(self, name: str, *arguments: str, elevated: bool = False) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            [self.drive / "Windows/System32" / name, *arguments],
            capture_output=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LAB_WINDOWS_ELEVATED": "1" if elevated else "0"},
        )
        return done.returncode, done.stdout, done.stderr

    def a_service_may_forward(self) -> bool:
        """Whether a service of the distribution can have Windows forward a port, by a program of Windows."""
        netsh = self.drive / "Windows/System32/netsh.exe"
        words = ("interface", "portproxy", "add", "v4tov4", "9999", "127.0.0.1")
        environment = {"PATH": "/usr/bin:/bin"}
        return subprocess.run([netsh, *words], check=False, env=environment).returncode == 0

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
