"""The WSL distribution around Dify: it stays up, comes back by itself, and is found again."""

from __future__ import annotations

from io import StringIO

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files

from provision.domain.deployment import Deployment
from provision.domain.wsl_settings import BINFMT_CONF, BINFMT_ENTRY
from provision.facts.windows import IsWsl
from provision.operations import apt, wsl


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
