"""What a killed engine left is taken away, and nothing else; a living one is noticed.

Everything happens in a network namespace of the test's own (the scripts run as root).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lab import paths

PREPARE = """
import subprocess, sys
from pathlib import Path
from lab import leftovers

def bridge(name, address):
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", address, "dev", name], check=True)

def program(name, shell, *words, before=()):  # a shell under another program's name
    call = ["bash", "-c", 'exec -a "$0" sh -c "$@"', name, shell, "sh", *words]
    process = subprocess.Popen([*before, *call], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()  # it runs under that name now
    return process

bridge("br-0123456789ab", "10.91.0.1/24")  # a killed engine's
bridge("br-ba9876543210", "10.99.0.1/24")  # another network of Docker's
bridge("lan0", "10.91.0.1/24")  # not Docker's
"""


def in_a_network_of_its_own(script: str, *arguments: str) -> list[str]:
    ended = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", PREPARE + script, *arguments],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_what_a_killed_engine_left_goes_and_nothing_else(tmp_path: Path) -> None:
    script = """
exec_root = Path(sys.argv[1])
parent = "sleep 3 & echo; wait"
shim = program("containerd-shim-runc-v2", parent, "-address", f"{exec_root}/containerd/containerd.sock")
another = program("containerd-shim-runc-v2", parent, "-address", "/run/another/containerd/containerd.sock")
reader = program("less", "echo; sleep 3", f"{exec_root}/containerd/containerd.toml")
children = [p.pid for p in leftovers._processes() if p.parent == shim.pid]
namespace = exec_root / "netns" / "673a270e256b"
namespace.parent.mkdir(parents=True)
namespace.touch()
subprocess.run(["mount", "--bind", "/proc/self/ns/net", namespace], check=True)

leftovers.remove(exec_root)

print(shim.wait(), another.poll(), reader.poll())
print(any(Path(f"/proc/{pid}/ns/net").exists() for pid in children))
print(exec_root.exists())
left = subprocess.run(["ip", "-br", "link", "show", "type", "bridge"], capture_output=True, text=True).stdout
print(*(line.split()[0] for line in left.splitlines()))
another.wait(), reader.wait()
"""
    left = ["-9", "None", "None", "False", "False", "br-ba9876543210", "lan0"]
    assert in_a_network_of_its_own(script, str(tmp_path / "engine")) == left


def test_a_living_engine_is_seen_in_its_own_network_only(tmp_path: Path) -> None:
    script = """
ours = f"--exec-root={sys.argv[1]}"
here = program("dockerd", "echo; read line", ours)
elsewhere = program("dockerd", "echo; read line", ours, before=["unshare", "--net"])
another = program("dockerd", "echo; read line", "--exec-root=/run/another")
print(*(found.pid == here.pid for found in leftovers.engines(Path(sys.argv[1]))))
for process in (here, elsewhere, another):
    process.kill()
"""
    assert in_a_network_of_its_own(script, str(tmp_path)) == ["True"]
