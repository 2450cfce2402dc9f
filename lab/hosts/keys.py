"""The ssh keys of the lab: pairs of the control machine and of Windows, and what the hosts' own keys are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import containers, paths
from lab.addresses import DIFY_WSL, HOSTS, WINDOWS, WSL_ADDRESSES
from lab.docker import Docker


def ensure_pairs() -> None:
    """Make the key pairs of the control machine and of Windows when there are none."""
    for private in (paths.SSH_KEY, paths.WINDOWS_KEY):
        if not private.exists():
            private.parent.mkdir(parents=True, exist_ok=True)
            private.parent.chmod(0o700)
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dvd-lab", "-f", str(private)]
            subprocess.run(command, check=True)


def public(private: Path) -> str:
    """The public key of a pair, as a line for authorized_keys."""
    return private.with_suffix(".pub").read_text()


def write_known_hosts(docker: Docker) -> None:
    """Write down each host's key, read inside the host: the network is not asked who it is."""
    lines = []
    for host in (*HOSTS, WINDOWS):
        folder = "/mnt/c/ProgramData/ssh" if host == WINDOWS else "/etc/ssh"
        key = docker.exec(containers.name_of(host), "cat", f"{folder}/ssh_host_ed25519_key.pub").stdout
        for ip in WSL_ADDRESSES if host is DIFY_WSL else (host.ip,):
            name = ip if host.ssh_port == 22 else f"[{ip}]:{host.ssh_port}"
            lines.append(f"{name} {' '.join(key.split()[:2])}\n")
    paths.KNOWN_HOSTS.write_text("".join(lines))
