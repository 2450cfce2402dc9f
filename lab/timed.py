"""``python -m lab.timed pyinfra …``: runs pyinfra and says how long each operation took.

Passes everything else on as it comes; exit code and signals are pyinfra's own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OPERATION = re.compile(r"^--> Starting operation: (.+?)\s*$")
HOST = re.compile(r"^\s+\[\S+\]")
OUTCOME = re.compile(r"^\s+\[(\S+)\]\s+(Success|No changes|Skipped)\s*$")


@dataclass
class Operation:
    """One operation while it runs."""

    name: str
    begun: float = field(default_factory=time.monotonic)
    changed: list[str] = field(default_factory=list)

    def line(self) -> str:
        what = f"changed {', '.join(sorted(self.changed))}" if self.changed else "no change"
        return f"[{time.monotonic() - self.begun:6.1f} s] {self.name}: {what}"


def main() -> int:
    """Run the given command; 64 when none was given."""
    if not sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 64
    running: Operation | None = None
    blank = table = False
    with subprocess.Popen(
        sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pyinfra:
        assert pyinfra.stdout
        for raw in pyinfra.stdout:
            line = COLOUR.sub("", raw.rstrip("\n"))
            if begins := OPERATION.match(line):
                _end(running)
                running = Operation(begins[1])
            elif line.startswith("--> "):
                _end(running)
                running = None
                # The table of results would only say again what each operation's own line has said.
                table = line.startswith("--> Results")
            elif running and (outcome := OUTCOME.match(line)):
                if outcome[2] == "Success":
                    running.changed.append(outcome[1])
            elif line.strip() and not table:
                print("\n" * (blank and not HOST.match(line)) + raw, end="", flush=True)
            blank = not line.strip()
    return pyinfra.returncode


def _end(operation: Operation | None) -> None:
    if operation:
        print(operation.line(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
