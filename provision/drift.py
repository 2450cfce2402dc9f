"""Compare the hosts with an inventory, changing nothing: ``scripts/drift inventories/prod.py``.

Exit codes: 0 in sync, 2 drifted, 1 failed. (pyinfra's own dry run ends with 0 whatever it finds.)
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.templates import ROOT

IN_SYNC, FAILED, DRIFTED = 0, 1, 2


# How pyinfra says on stderr that a host could not be looked at; its JSON report of a dry run does not.
FAILURE = re.compile(
    r"^\s*\[(\S+)\]\s+(Could not .*|EOF .*|(?:SSH|Authentication|Command socket).*[Ee]rror.*|Error: .*)$",
    re.MULTILINE,
)
PYINFRA = Path(sys.executable).with_name("pyinfra")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Drift:
    """What a dry run found.

    Attributes:
        changes: (host, operation) pairs, in the order of the deploy.
        failures: (host, reason) pairs of hosts that could not be looked at.
    """

    changes: list[tuple[str, str]]
    failures: list[tuple[str, str]]


def read(report: dict[str, Any], stderr: str) -> Drift:
    """Read what ``pyinfra --dry --json`` prints.

    Args:
        report: its stdout.
        stderr: what it says beside.
    """
    changes = [
        (host, operation["name"]) for operation in report["plan"] for host in operation["hosts_with_change"]
    ]
    return Drift(changes, FAILURE.findall(COLOUR.sub("", stderr)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/drift", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("inventory", help="such as inventories/prod.py")
    parser.add_argument(
        "more", nargs=argparse.REMAINDER, help="further arguments for pyinfra, such as --limit"
    )
    given = parser.parse_args()
    run = subprocess.run(
        # The inventory as the caller names it; deploy.py and group_data/ are looked up in the project.
        [PYINFRA, "--dry", "--json", *given.more, Path(given.inventory).resolve(), "deploy.py"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        drift = read(json.loads(run.stdout), run.stderr)
    except ValueError:  # it ended before it had a plan: no host left, or settings that are not right
        print(run.stderr, file=sys.stderr, end="")
        return FAILED
    for host, operation in drift.changes:
        print(f"drifted  {host}: {operation}")
    for host, reason in drift.failures:
        print(f"failed   {host}: {reason}")
    if run.returncode or drift.failures:
        print(run.stderr, file=sys.stderr, end="")
        return FAILED
    if drift.changes:
        return DRIFTED
    print("in sync")
    return IN_SYNC


if __name__ == "__main__":
    sys.exit(main())
