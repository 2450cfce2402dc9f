"""Windows as a machine: a night without power, and the morning after.

WSL's virtual machine goes with Windows. At NAT's default it comes up with an address of Windows' choice: a
recent one asks for its old address first and warns when it gets another (``NatNetworking.cpp`` in
microsoft/WSL), an older one takes what it gets. The lab always takes the worse case.
"""

from __future__ import annotations

import json

from lab.addresses import DIFY_WSL, WINDOWS, WSL_ADDRESSES, dify_wsl
from lab.containers import NETWORK, name_of
from lab.docker import Docker
from lab.paths import WSL_ADDRESS

HOLD_TASK = "dify-vllm-deploy hold"
RUNNING = "/mnt/c/lab/running"
SWITCHED_OFF = "/mnt/c/lab/wsl-off"  # image/wsl-init waits while this is there and no task holds WSL
STOP_SECONDS = 20


def windows_holds_wsl(docker: Docker) -> bool:
    """Whether Windows' task scheduler starts the distribution by itself."""
    state = json.loads(docker.exec(name_of(WINDOWS), "cat", "/mnt/c/lab/state.json").stdout)
    return any(name.lower() == HOLD_TASK for name in state["tasks"])


def reboot_windows(docker: Docker) -> str:
    """Stop Windows and its WSL, and start Windows, which starts WSL if a task tells it to.

    Returns:
        The new address of WSL.
    """
    windows, wsl = name_of(WINDOWS), name_of(DIFY_WSL)
    docker.exec(windows, "sh", "-c", f"touch {SWITCHED_OFF} && rm -rf {RUNNING}")
    docker.run("stop", "-t", str(STOP_SECONDS), wsl, windows)
    old = dify_wsl().ip
    new = next(address for address in WSL_ADDRESSES if address != old)
    docker.run("network", "disconnect", NETWORK, wsl)
    docker.run("network", "connect", "--ip", new, NETWORK, wsl)
    WSL_ADDRESS.write_text(new)
    docker.run("start", windows)
    docker.run("start", wsl)
    return f"WSL at {new}"
