"""Ask Windows again to forward its ports here, when this distribution has come up with another address.

    windows_address.py --drive /mnt/c --task NAME

The deploy has had Windows' elevated task make rules that forward ports here. After a boot the distribution's
address may be another one, and Windows forwards into the void. Then this asks the task for the same rules
with the present address, by the same kind of request as the deploy. It holds no secret and decides nothing:
the task checks every request anew. What comes to nothing is tried again, each time after a longer pause.

Runs for ever, on Python's standard library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

INTERFACE = "eth0"  # WSL's, also with mirrored networking
RULES_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\PortProxy\v4tov4\tcp"
RULE = re.compile(rb"^    (\S+/\d+)    REG_SZ    (\S+)/(\d+)\s*$", re.MULTILINE)
LOOK_SECONDS = 10
# A younger request that nobody has answered is the business of whoever waits for it.
ANSWER_SECONDS = 120
FIRST_PAUSE, LONGEST_PAUSE = 15, 3600

Rules = dict[str, tuple[str, int]]
"""Listen pair, as the registry spells it, to the address and the port that Windows connects to."""


def present_address() -> str | None:
    """The distribution's own IPv4 address."""
    said = subprocess.run(
        ["ip", "-4", "-o", "address", "show", "dev", INTERFACE, "scope", "global"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    _, found, rest = said.partition(" inet ")
    return rest.split("/")[0] if found else None


def windows(program: str, *arguments: str) -> bytes | None:
    """Run a program of Windows; what it prints, or ``None`` when it fails.

    It is reached by a socket of WSL's. Where the one for services is missing or does not answer, that of
    somebody's session may (microsoft/WSL#4148, #6799).
    """
    sockets = sorted(Path("/run/WSL").glob("*_interop"), key=lambda path: path.lstat().st_mtime, reverse=True)
    for environment in ({}, *({"WSL_INTEROP": str(path)} for path in sockets)):
        done = subprocess.run(
            [program, *arguments],
            env=os.environ | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return done.stdout
    return None


class Watch:
    """Looks whether Windows still forwards to this distribution.

    Args:
        drive: where drive C: is mounted.
        task: the name of the elevated task.
        clock: seconds of any beginning.
    """

    def __init__(self, drive: Path, task: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._task = task
        self._clock = clock
        self._programs = drive / "Windows/System32"
        self._request = drive / "ProgramData/dify-vllm-deploy/request.json"
        self._result = drive / "Program Files/dify-vllm-deploy/result.json"
        self._owned = drive / "Program Files/dify-vllm-deploy/owned-rules.txt"
        self._settled = ""  # the address that Windows forwards to
        self._asked = ""  # the nonce of our own last request
        self._awaited = False  # whether what came of that is not known yet
        self._pause = 0
        self._due = 0.0  # when to ask next

    def look(self) -> str | None:
        """Ask for the rules again if that is due; what was done, for the journal."""
        address = present_address()
        if address is None or address == self._settled or not self._owned.exists():
            return None
        # Read before the rules, which the door makes before it answers.
        last, result = _read(self._request).get("nonce"), _read(self._result)
        rules = self._rules()
        if not rules:
            return None
        if all(target == address for target, _ in rules.values()):
            self._settled, self._awaited, self._pause, self._due = address, False, 0, 0.0
            return None
        unanswered = last != result.get("nonce")
        if unanswered and (self._awaited or last != self._asked) and self._is_young():
            return None
        if self._awaited:
            why = "somebody else has asked" if last != self._asked else result.get("message")
            return self._later(f"Windows does not forward to {address}: {'no answer' if unanswered else why}")
        return self._ask(rules, address) if self._clock() >= self._due else None

    def _is_young(self) -> bool:
        """Whether the request is new enough for an answer to come yet."""
        return self._request.exists() and time.time() - self._request.stat().st_mtime < ANSWER_SECONDS

    def _later(self, problem: str) -> str:
        self._awaited = False
        self._pause = min(2 * self._pause or FIRST_PAUSE, LONGEST_PAUSE)
        self._due = self._clock() + self._pause
        return f"{problem}; trying again in {self._pause} s"

    def _rules(self) -> Rules:
        """The rules that the deploy has had made, as Windows has them now."""
        owned = self._owned.read_bytes().split()
        printed = windows(str(self._programs / "reg.exe"), "query", RULES_KEY) or b""
        return {
            listen.decode(): (address.decode(), int(port))
            for listen, address, port in RULE.findall(printed)
            if listen in owned
        }

    def _ask(self, rules: Rules, address: str) -> str:
        nonce = secrets.token_hex(16)
        wanted = [
            {
                "listen_address": listen.split("/")[0],
                "listen_port": int(listen.split("/")[1]),
                "connect_address": address,
                "connect_port": port,
            }
            for listen, (_, port) in sorted(rules.items())
        ]
        # The deploy writes requests, too, by a file of its own beside it: whole ones only.
        fresh = self._request.with_suffix(".json.watcher")
        fresh.write_text(json.dumps({"version": 1, "nonce": nonce, "port_proxy": wanted}) + "\n", "utf-8")
        fresh.replace(self._request)
        self._asked = nonce
        if windows(str(self._programs / "schtasks.exe"), "/run", "/tn", self._task) is None:
            return self._later(f"Windows does not start '{self._task}'")
        self._awaited = True
        return f"asked Windows to forward to {address}"


def _read(path: Path) -> dict[str, Any]:
    """A JSON file; empty when there is none, or only half of one yet."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def main() -> None:
    """Look now and then, and say what is new."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--drive", type=Path, required=True)
    parser.add_argument("--task", required=True)
    given = parser.parse_args()
    watch, said = Watch(given.drive, given.task), None
    while True:
        try:
            news = watch.look()
        except OSError as error:
            news = f"cannot look: {error}"
        if news and news != said:
            print(news, file=sys.stderr, flush=True)
        said = news
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
