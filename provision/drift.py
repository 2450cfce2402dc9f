"""Compare the hosts with an inventory, changing nothing: ``scripts/drift inventories/prod.py``.

Exit codes: 0 in sync, 2 drifted, 1 failed. (pyinfra's own dry run ends with 0 whatever it finds.)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

IN_SYNC, FAILED, DRIFTED = 0, 1, 2


@dataclass(frozen=True)
class Drift:
    """What a dry run found.

    Attributes:
        changes: (host, operation) pairs, in the order of the deploy.
        failed: hosts that could not be looked at.
    """

    changes: list[tuple[str, str]]
    failed: list[str]

    @property
    def exit_code(self) -> int:
        if self.failed:
            return FAILED
        return DRIFTED if self.changes else IN_SYNC


def read(report: dict[str, Any], stderr: str = "") -> Drift:
    """Read pyinfra's JSON report of a dry run.

    Args:
        report: what ``pyinfra --dry --json`` prints.
        stderr: what it says beside; names hosts that it could not reach.
    """
    changes = [
        (host, operation["name"]) for operation in report["plan"] for host in operation["hosts_with_change"]
    ]
    return Drift(changes, sorted(set(report.get("results", {}).get("failed_hosts", []))))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/drift", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("inventory", help="such as inventories/prod.py")
    parser.add_argument(
        "more", nargs=argparse.REMAINDER, help="further arguments for pyinfra, such as --limit"
    )
    given = parser.parse_args()
    run = subprocess.run(
        ["pyinfra", "--dry", "--json", *given.more, given.inventory, "deploy.py"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        drift = read(json.loads(run.stdout))
    except (ValueError, KeyError):
        return FAILED
    if run.returncode and not drift.failed:
        return FAILED
    for host, operation in drift.changes:
        print(f"drifted  {host}: {operation}")
    for host in drift.failed:
        print(f"failed   {host}")
    if drift.exit_code == IN_SYNC:
        print("in sync")
    return drift.exit_code


if __name__ == "__main__":
    sys.exit(main())
