"""What a machine needs before models can be served on it."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import Which
from pyinfra.operations import files, server

from provision.domain.deployment import Deployment
from provision.domain.hardware import Nvidia
from provision.facts.hardware import NvidiaSmi
from provision.facts.init import Systemd
from provision.operations import apt, python
from provision.templates import text

PACKAGES = ("ca-certificates", "iproute2", "libnuma1", "nginx", "python3", "python3-venv")
# vLLM compiles small kernels when it starts on a GPU.
COMPILER = ("gcc", "libc6-dev", "python3-dev")


@deploy("Machine")
def prepare_machines(deployment: Deployment) -> None:
    """Install packages, the account and the folders that the servers of this host share."""
    servers = deployment.on(host.name)
    if not servers:
        return
    serving = servers[0].serving
    data = serving.data_dir
    _keep_the_default_site_down()
    packages = list(PACKAGES)
    if not host.get_fact(Systemd):
        packages.append("supervisor")
    if host.get_fact(NvidiaSmi) != Nvidia():
        packages += COMPILER
    apt.packages(name="Install the packages that serving needs", wanted=packages)
    if serving.user != "root":
        server.user(  # noqa: S604 - the login shell of the account, not of a command
            name="Make the account that serves",
            user=serving.user,
            system=True,
            home="/nonexistent",
            ensure_home=False,
            shell="/usr/sbin/nologin",
        )
    for folder in ("", "/cache", "/services"):
        files.directory(name=f"Make the folder <data_dir>{folder}", path=f"{data}{folder}", mode="755")
    for cache in ("huggingface", "python", "vllm"):
        files.directory(
            name=f"Make the cache of {cache}", path=f"{data}/cache/{cache}", user=serving.user, mode="755"
        )
    python.environment(
        name="Install uv",
        path=f"{data}/venv/uv",
        requirements=text("requirements/uv.txt"),
        uv=None,
        serving=serving,
    )


def _keep_the_default_site_down() -> None:
    """Debian starts a default site on port 80 when it installs nginx; ours is another instance."""
    if not host.get_fact(Which, command="nginx"):
        files.link(
            name="Keep Debian's default site from starting",
            path="/etc/systemd/system/nginx.service",
            target="/dev/null",
        )
