"""Names and addresses of the lab: the one place that knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.paths import WSL_ADDRESS

SUBNET = "10.91.0.0/24"
GATEWAY = "10.91.0.1"

# The LAN that Windows' other adapter is in, and a network that is somewhere behind it.
LAN_SUBNET = "10.92.0.0/24"
ELSEWHERE_SUBNET = "10.93.0.0/24"


@dataclass(frozen=True)
class Address:
    """Where a container of the lab is found on the lab's network.

    Args:
        name: host name, and the suffix of the container's name.
        ip: fixed address on the lab's network.
        ssh_port: where its sshd listens; ``None`` when it runs none.
    """

    name: str
    ip: str
    ssh_port: int | None = None


GPU_CHAT = Address("gpu-chat", "10.91.0.11", 22)
GPU_EMBED = Address("gpu-embed", "10.91.0.12", 22)
GPU_SCORE = Address("gpu-score", "10.91.0.13", 20713)
DIFY_WSL = Address("dify-wsl", "10.91.0.14", 22)
WINDOWS = Address("windows", "10.91.0.15", 22)
WINDOWS_ON_THE_LAN = "10.92.0.15"
NEIGHBOUR = Address("neighbour", "10.92.0.30")  # of Windows, on the LAN
STRANGER_IP = "10.93.0.30"  # the neighbour's too, so that it can also call from elsewhere

MODEL_HUB = Address("model-hub", "10.91.0.20")
GIT_SERVER = Address("git-server", "10.91.0.21")
REGISTRY = Address("registry", "10.91.0.22")

# Windows gives its WSL one of these, and the other one after a reboot.
WSL_ADDRESSES = (DIFY_WSL.ip, "10.91.0.114")

HOSTS = (GPU_CHAT, GPU_EMBED, GPU_SCORE, DIFY_WSL)  # what the deploy is run against
ALL = (*HOSTS, WINDOWS, NEIGHBOUR, MODEL_HUB, GIT_SERVER, REGISTRY)


def dify_wsl() -> Address:
    """The WSL host where it is now."""
    if WSL_ADDRESS.exists():
        return replace(DIFY_WSL, ip=WSL_ADDRESS.read_text())
    return DIFY_WSL


# A rented box publishes one inside port under another number on its provider's address. Providers take high
# ones; here it is one that Linux gives to no outgoing connection, which now and then had it already.
RENTED_INSIDE_PORT = 8080
RENTED_PUBLISHED = (GATEWAY, 23044)
