"""Look before anything is touched."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import User, Which

from provision.domain.deployment import Deployment
from provision.facts.model import ModelFolder


@deploy("Preflight")
def preflight(deployment: Deployment) -> None:
    """Refuse what cannot work, on every host, before the first change on any."""
    problems = []
    if (user := host.get_fact(User)) != "root":
        problems.append(f"ssh_user is {user}; root is needed to install packages and services")
    if not host.get_fact(Which, command="apt-get"):
        problems.append("no apt-get; Debian and Ubuntu are supported")
    for server in deployment.on(host.name):
        path = server.settings.model_path
        if path and not host.get_fact(ModelFolder, path=path).is_model:
            problems.append(
                f"{server.role}.model_path = {path!r}: no model there (config.json and weights); "
                "put it there, or leave model_path out to have it downloaded"
            )
    if problems:
        lines = "\n".join(f"  {host.name}: {problem}" for problem in problems)
        raise DeployError(f"Refused before anything was touched:\n{lines}")
