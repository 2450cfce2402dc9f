"""The ssh keys of the lab: one pair for the control machine, and what the hosts' own keys are."""

from __future__ import annotations

import subprocess

from lab import containers, paths
from lab.addresses import DIFY_WSL, HOSTS, WSL_ADDRESSES
from lab.docker import Docker


def ensure_pair() -> None:
    """Make the control machine's key pair when there is none."""
    if paths.SSH_KEY.exists():
        return
    paths.SSH_FOLDER.mkdir(parents=True, exist_ok=True)
    paths.SSH_FOLDER.chmod(0o700)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dvd-lab", "-f", str(paths.SSH_KEY)],
        check=True,
    )


def public_key() -> str:
    """The control machine's public key, as a line for authorized_keys."""
    return paths.SSH_KEY.with_suffix(".pub").read_text()


def write_known_hosts(docker: Docker) -> None:
    """Write down each host's key, read inside the host: the network is not asked who it is."""
    lines = []
    for host in HOSTS:
        key = docker.exec(containers.name_of(host), "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout
        for ip in WSL_ADDRESSES if host is DIFY_WSL else (host.ip,):
            name = ip if host.ssh_port == 22 else f"[{ip}]:{host.ssh_port}"
            lines.append(f"{name} {' '.join(key.split()[:2])}\n")
    paths.KNOWN_HOSTS.write_text("".join(lines))
