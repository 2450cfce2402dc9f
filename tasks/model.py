"""模型准备: the models, downloaded from ModelScope and verified."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files

from provision.domain.deployment import Deployment
from provision.operations import python
from provision.operations.model import model
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
    program = f"{data}/fetch_model.py"
    files.put(
        name="Put the download program", src=str(ROOT / FOLDER / "fetch_model.py"), dest=program, mode="755"
    )
    for server in host.loop(servers):
        model(
            name="Download and verify the model",
            server=server,
            python=f"{data}/venv/modelscope/bin/python",
            program=program,
        )
