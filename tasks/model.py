"""模型准备: the models, downloaded from ModelScope and verified."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files

from provision.domain.deployment import Deployment
from provision.operations import python
from provision.operations.model import PROGRAM, model, one_revision
from provision.templates import FOLDER, ROOT, text


@deploy("Models")
def download_models(deployment: Deployment) -> None:
    """Have the models of this host lie on its data disk, complete."""
    servers = deployment.on(host.name)
    if not servers:
        return
    serving = servers[0].serving
    data = serving.data_dir
    python.environment(
        name="Install ModelScope's client",
        path=f"{data}/venv/modelscope",
        requirements=text("requirements/modelscope.txt"),
        uv=f"{data}/venv/uv/bin/uv",
        serving=serving,
    )
    programs = f"{data}/programs"
    files.sync(
        name="Put the download program",
        src=str(ROOT / FOLDER / PROGRAM),
        dest=f"{programs}/{PROGRAM}",
        mode="644",
        dir_mode="755",
        exclude_dir="__pycache__",
        delete=True,
    )
    for server in host.loop(servers):
        model(
            name="Download and verify the model",
            server=server,
            python=f"{data}/venv/modelscope/bin/python",
            programs=programs,
        )


@deploy("Models")
def forget_old_revisions(deployment: Deployment) -> None:
    """Remove what this host's models were before; a host whose servers are not proven never comes here."""
    servers = deployment.on(host.name)
    keep = [folder for server in servers for folder in (server.model_dir, server.staging_dir)]
    for server in host.loop(servers):
        one_revision(name="Remove the model's old revisions", server=server, keep=keep)
