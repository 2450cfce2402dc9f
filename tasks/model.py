"""模型准备: the models, downloaded from ModelScope and verified."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import Which
from pyinfra.operations import files, server

from provision.domain.deployment import Deployment
from provision.facts.init import Systemd
from provision.operations import apt, python
from provision.operations.model import model
from provision.operations.vllm import USER
from provision.templates import FOLDER, ROOT, text

PACKAGES = ("ca-certificates", "libnuma1", "nginx", "python3", "python3-venv")


@deploy("Models")
def download_models(deployment: Deployment) -> None:
    """Have the models of this host lie on its data disk, complete."""
    servers = deployment.on(host.name)
    if not servers:
        return
    serving = servers[0].serving
    data = serving.data_dir
    _keep_the_default_site_down()
    supervisor = () if host.get_fact(Systemd) else ("supervisor",)
    apt.packages(name="Install the packages that serving needs", wanted=[*PACKAGES, *supervisor])
    server.user(  # noqa: S604 - the login shell of the account, not of a command
        name="Make the account that serves",
        user=USER,
        system=True,
        home=data,
        ensure_home=False,
        shell="/usr/sbin/nologin",
    )
    files.directory(name="Make the data folder", path=data, mode="755")
    files.directory(name="Make the cache folder", path=f"{data}/cache", mode="755")
    for cache in host.loop(("huggingface", "python", "vllm")):
        files.directory(
            name=f"Make the cache of {cache}", path=f"{data}/cache/{cache}", user=USER, mode="755"
        )
    uv = f"{data}/venv/uv"
    python.environment(
        name="Install uv", path=uv, requirements=text("requirements/uv.txt"), uv=None, serving=serving
    )
    python.environment(
        name="Install ModelScope's client",
        path=f"{data}/venv/modelscope",
        requirements=text("requirements/modelscope.txt"),
        uv=f"{uv}/bin/uv",
        serving=serving,
    )
    program = f"{data}/fetch_model.py"
    files.put(
        name="Put the download program", src=str(ROOT / FOLDER / "fetch_model.py"), dest=program, mode="755"
    )
    for each in host.loop(servers):
        model(
            name="Download and verify the model",
            server=each,
            python=f"{data}/venv/modelscope/bin/python",
            program=program,
        )


def _keep_the_default_site_down() -> None:
    """Debian starts a default site on port 80 when it installs nginx; ours is another instance."""
    if not host.get_fact(Which, command="nginx"):
        files.link(
            name="Keep Debian's default site from starting",
            path="/etc/systemd/system/nginx.service",
            target="/dev/null",
        )
