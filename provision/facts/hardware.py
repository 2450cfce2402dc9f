"""GPUs, limits, listeners and free space of a host, each "none" where there is nothing to ask."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.hardware import Gpu, Limits, Nvidia
from provision.domain.room import Listener, Listening, Space
from provision.domain.service import STARTED

MIB = 1024**2

# WSL keeps it where ssh's PATH does not lead.
_FIND_SMI = "s=$(command -v nvidia-smi || ls /usr/lib/wsl/lib/nvidia-smi 2>/dev/null) || exit 0;"
# The heading's spelling since driver 610 has "UMD" in it.
_CUDA = re.compile(r"CUDA (?:UMD )?Version\s*:\s*(\d+)\.(\d+)")
_UNKNOWN_FIELD = "is not a valid field"


class NvidiaSmi(FactBase[Nvidia]):
    """What nvidia-smi tells; :class:`Nvidia` without anything on a host that has no such program."""

    @staticmethod
    def default() -> Nvidia:
        return Nvidia()

    def command(self) -> str:
        # Older drivers do not know compute_cap, and refuse the whole question.
        ask = 'timeout 60 "$s" --format=csv,noheader,nounits --query-gpu=index,driver_version,memory.total'
        return (
            f"{_FIND_SMI} {ask},mig.mode.current,compute_cap,name 2>&1 || {ask},name 2>&1;"
            ' timeout 60 "$s" 2>/dev/null | grep CUDA; true'
        )

    def process(self, output: list[str]) -> Nvidia:
        gpus, driver, cuda, said = [], "", None, []
        for line in output:
            values = [value.strip() for value in line.split(",")]
            if values[0].isdecimal() and len(values) in (4, 6):
                driver = values[1]
                gpus.append(_gpu(values))
            elif heading := _CUDA.search(line):
                cuda = (int(heading[1]), int(heading[2]))
            elif line.strip() and "CUDA" not in line and _UNKNOWN_FIELD not in line:
                said.append(line.strip())
        error = "" if gpus else " ".join(dict.fromkeys(said))[:200] or "nothing"
        return Nvidia(tuple(gpus), driver, cuda, error) if output else Nvidia()


def _gpu(values: list[str]) -> Gpu:
    index, _, memory, *more, name = values
    mig, capability = more or ("", "")
    # In MIG mode a program sees one slice of the GPU, not its whole memory.
    whole = memory.isdecimal() and mig != "Enabled"
    dotted = re.fullmatch(r"(\d+)\.(\d+)", capability)
    return Gpu(
        int(index),
        name,
        int(memory) * MIB if whole else None,
        (int(dotted[1]), int(dotted[2])) if dotted else None,
    )


class CgroupLimits(FactBase[Limits]):
    """Processors shown, and what the cgroup (version 1 or 2) grants of them."""

    @staticmethod
    def default() -> Limits:
        return Limits()

    def command(self, root: str = "/sys/fs/cgroup") -> StringCommand:
        return StringCommand(
            'echo "cpus $(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)"; cd', QuoteString(root),
            "2>/dev/null || exit 0;",
            "for f in cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids.max pids/pids.max; do",
            '[ -r "$f" ] && echo "${f##*/} $(cat "$f")"; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> Limits:
        found = {name: values for name, *values in map(str.split, output)}
        quota, period = (found.get("cpu.max") or found.get("cpu.cfs_quota_us", ["max"]))[0], "0"
        if "cpu.max" in found:
            period = found["cpu.max"][-1]
        elif "cpu.cfs_period_us" in found:
            period = found["cpu.cfs_period_us"][0]
        limited = quota.isdecimal() and period.isdecimal() and int(period) > 0
        pids = found.get("pids.max", ["max"])[0]
        return Limits(
            cpus=int(found.get("cpus", ["0"])[0]),
            quota=int(quota) / int(period) if limited else None,
            pids=int(pids) if pids.isdecimal() else None,
        )


class TcpListeners(FactBase[Listening]):
    """Who listens on which TCP port, and which processes our launchers noted."""

    @staticmethod
    def default() -> Listening:
        return Listening()

    def command(self, services: str = "/nonexistent") -> StringCommand:
        return StringCommand(
            "for f in", StringCommand(QuoteString(services), f"/*/{STARTED}", _separator=""), "; do",
            '[ -e "$f" ] && read -r p _ <"$f" && [ -d "/proc/$p" ] && echo "ours $p"; done;',
            's=$(ss -ltnpH 2>/dev/null) || exit 0; printf "%s\\n" "$s" | sed "s/^/listener /";',
            # Not the command line: other people's hold secrets.
            'for p in $(printf "%s\\n" "$s" | grep -o "pid=[0-9]*" | cut -d= -f2 | sort -u); do',
            'printf "place %s %s\\n" "$p" "$(readlink "/proc/$p/cwd")"; done 2>/dev/null; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> Listening:
        lines = [line.split(maxsplit=1) for line in output]
        rest = {kind: [line[1] for line in lines if line[0] == kind and len(line) == 2]
                for kind in ("ours", "listener", "place")}  # fmt: skip
        places = {int(pid): place for pid, _, place in (line.partition(" ") for line in rest["place"])}
        listeners = [found for line in rest["listener"] if (found := _listener(line, places))]
        return Listening(tuple(listeners), frozenset(int(pid) for pid in rest["ours"] if pid.isdecimal()))


def _listener(line: str, places: dict[int, str]) -> Listener | None:
    """``LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=812,fd=6),("nginx",pid=811,fd=6))``"""
    columns = line.split()
    address, _, port = columns[3].rpartition(":") if len(columns) > 3 else ("", "", "")
    if not port.isdecimal():
        return None
    users = re.findall(r'\("([^"]*)",pid=(\d+)', line)
    pids = tuple(int(pid) for _, pid in users)
    return Listener(
        address=address.split("%")[0],
        port=int(port),
        process=f"{users[0][0]} (process {users[0][1]})" if users else "",
        pids=pids,
        places=tuple(places[pid] for pid in pids if places.get(pid)),
    )


class FreeSpace(FactBase[Space | None]):
    """The file system that a path lies on, or will lie on: that of its nearest existing parent."""

    @staticmethod
    def default() -> Space | None:
        return None

    def command(self, path: str) -> StringCommand:
        return StringCommand(
            StringCommand("p=", QuoteString(path), _separator=""),
            '; while [ ! -e "$p" ] && [ "$p" != / ]; do p=$(dirname "$p"); done;',
            'df -PB1 "$p" 2>/dev/null | tail -n +2; true',
        )

    def process(self, output: list[str]) -> Space | None:
        columns = output[-1].split(maxsplit=5) if output else []
        return Space(int(columns[3]), columns[5]) if len(columns) == 6 and columns[3].isdecimal() else None


class FolderSizes(FactBase[int]):
    """Bytes that folders hold together; what is linked into several counts once."""

    @staticmethod
    def default() -> int:
        return 0

    def command(self, folders: Sequence[str]) -> StringCommand:
        return StringCommand(
            "timeout 120 du -scB1", *map(QuoteString, folders), "2>/dev/null | tail -n 1; true"
        )

    def process(self, output: list[str]) -> int:
        size = output[0].split()[0] if output else "0"
        return int(size) if size.isdecimal() else 0
