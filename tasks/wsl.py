"""The WSL distribution around Dify: it stays up, comes back by itself, and is found again."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files

from provision.domain.bootstrap import bootstrap_line, script_digest
from provision.domain.deployment import Deployment
from provision.domain.windows_door import TASK_NAME
from provision.domain.wsl_settings import BINFMT_CONF, BINFMT_ENTRY, HOLD_TASK
from provision.facts.windows import DoorDigest, IsWsl, IsWsl1, TaskRegistered
from provision.operations import apt, wsl
from provision.templates import text
from tasks.ports import lan_ports

DOOR = "bootstrap/door.ps1"


def wsl_problems(deployment: Deployment) -> Iterator[str]:
    """What the Windows around this distribution lacks, or has from an earlier release of this project."""
    if host.name != deployment.dify_host or not host.get_fact(IsWsl):
        return
    if host.get_fact(IsWsl1):
        yield (
            "this distribution is of WSL 1, in which no containers run. On Windows, run: "
            "wsl --set-version NAME 2 (`wsl --list` knows its name)"
        )
        return
    if not host.get_fact(TaskRegistered, task=HOLD_TASK):
        yield (
            f"Windows has no task '{HOLD_TASK}' that starts this distribution at boot and holds it. "
            f"{bootstrap_line(lan_ports(deployment.dify))}"
        )
    if host.get_fact(TaskRegistered, task=TASK_NAME) and host.get_fact(DoorDigest) != script_digest(
        text(DOOR).encode()
    ):
        yield (
            f"the script behind Windows' task '{TASK_NAME}' is not the {DOOR} of this checkout. "
            f"{bootstrap_line()}"
        )


@deploy("WSL")
def stay_up(deployment: Deployment) -> None:
    """Have WSL start everything at boot, never stop it, and keep its way to Windows."""
    if host.name != deployment.dify_host or not host.get_fact(IsWsl):
        return
    files.put(
        name="Keep Windows' programs within reach", src=StringIO(BINFMT_ENTRY), dest=BINFMT_CONF, mode="644"
    )
    wsl.settings(name="Have WSL stay up")
    wsl.restart(name="Restart WSL if its settings need it", allowed=deployment.dify.allow_wsl_restart)


@deploy("WSL")
def follow_the_address(deployment: Deployment) -> None:
    """Have Windows find the distribution again, which has another address after a boot."""
    if host.name != deployment.dify_host or not host.get_fact(IsWsl):
        return
    apt.packages(name="Install what looks at addresses", wanted=["iproute2", "python3"])
    wsl.follow_address(name="Follow the distribution's address")
