"""Look before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import Command, LinuxDistribution, Which

from provision.domain.deployment import Deployment, ModelServer
from provision.facts.files import ClosedFolder
from provision.facts.model import ModelFolder
from provision.facts.windows import DoorRegistered, IsWsl

# The first releases with Python 3.11, which the pinned packages of vLLM want.
OLDEST = {"Debian": 12, "Ubuntu": 24}

CHANGES_USER = ("_sudo", "_sudo_user", "_su_user", "_doas")


@deploy("Preflight")
def preflight(deployment: Deployment) -> None:
    """Refuse what cannot work, on every host, before the first change on any."""
    problems = [*_login(), *_system(deployment)]
    for server in deployment.on(host.name):
        problems += _model(server)
    if host.name == deployment.dify_host and deployment.dify.lan_access and host.get_fact(IsWsl):
        problems += _door()
    if problems:
        lines = "\n".join(f"  {host.name}: {problem}" for problem in problems)
        raise DeployError(f"Refused before anything was touched:\n{lines}")


def _login() -> Iterator[str]:
    for key in CHANGES_USER:
        if host.data.get(key):
            yield f"{key} is set; log in as root instead (ssh_user), changing the user is not supported"
    if (user := host.get_fact(Command, command="id -un")) != "root":
        yield f"the login is {user}; root is needed to install packages and services (ssh_user)"


def _system(deployment: Deployment) -> Iterator[str]:
    if not host.get_fact(Which, command="apt-get"):
        yield "no apt-get; Debian and Ubuntu are supported"
        return
    system = host.get_fact(LinuxDistribution)
    name, major = system["name"] or "", system["major"] or 0
    if deployment.on(host.name) and major < OLDEST.get(name, 0):
        yield f"{name} {major} is too old: vLLM wants Python 3.11, which came with {name} {OLDEST[name]}"


def _model(server: ModelServer) -> Iterator[str]:
    path = server.settings.model_path
    if path and not host.get_fact(ModelFolder, path=path).is_model:
        yield (
            f"{server.role}.model_path = {path!r}: no model there (config.json and weights); "
            "put it there, or leave model_path out to have it downloaded"
        )
    if server.serving.user == "root":
        return
    for setting, folder in (
        ("serving.data_dir", server.serving.data_dir),
        (f"{server.role}.model_path", path),
    ):
        if folder and (closed := host.get_fact(ClosedFolder, path=folder)):
            yield (
                f"{setting} = {folder!r}: {closed} lets only its owner through, not {server.serving.user}; "
                f"chmod o+x {closed}, or set serving.user to root"
            )


def _door() -> Iterator[str]:
    if not host.get_fact(DoorRegistered):
        yield (
            "Windows has no task that forwards ports for us; run bootstrap\\windows.ps1 there once, in a "
            "PowerShell started as administrator, or set dify.lan_access to False"
        )
