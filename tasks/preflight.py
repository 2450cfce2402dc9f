"""Look before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import Command, LinuxDistribution, Which

from provision.connectors.forwarding import forbids_forwarding
from provision.domain.deployment import Deployment, ModelServer
from provision.domain.fits import fit_problems
from provision.domain.hardware import Nvidia
from provision.domain.listeners import port_problems
from provision.domain.model_files import ModelFiles
from provision.domain.model_size import Model, known
from provision.domain.packages import Packages, packages
from provision.domain.room import Need, disk_problems, environment_need, model_need
from provision.domain.settings import ModelRole
from provision.facts.files import ClosedFolder
from provision.facts.hardware import FolderSizes, FreeSpace, NvidiaSmi
from provision.facts.init import Systemd
from provision.facts.listeners import Listeners
from provision.facts.model import ModelFolder, ModelRevisions, ModelScopeCopies
from provision.facts.python import EnvironmentStamp
from provision.facts.windows import IsWsl
from provision.operations.python import fingerprint
from provision.operations.vllm import environment_dir
from provision.templates import text
from tasks.dify import dify_problems
from tasks.ports import port_problems as published_problems
from tasks.wsl import wsl_problems

# The first releases with Python 3.11, which the pinned packages of vLLM want.
OLDEST = {"Debian": 12, "Ubuntu": 24}

CHANGES_USER = ("_sudo", "_sudo_user", "_su_user", "_doas")


@deploy("Preflight")
def preflight(deployment: Deployment) -> None:
    """Refuse what cannot work, on every host, before the first change on any."""
    problems = [*_login(), *_system(deployment)]
    servers = deployment.on(host.name)
    for server in servers:
        problems += _model(server)
        problems += _forwarding(server)
    if servers:
        problems += _fits(servers)
    problems += _supervisor_of_tunnels(deployment)
    problems += published_problems(deployment)
    problems += dify_problems(deployment)
    problems += wsl_problems(deployment)
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


def _forwarding(server: ModelServer) -> Iterator[str]:
    if server.tunnel and forbids_forwarding(host, server.settings.listen_port):
        yield (
            f"{server.role}.transport is tunnel, but the sshd here forbids forwarding; set "
            f"AllowTcpForwarding to local (or yes) in its configuration and reload it, or set "
            f"{server.role}.transport to direct or public"
        )


def _supervisor_of_tunnels(deployment: Deployment) -> Iterator[str]:
    tunnelled = [role for role, server in deployment.servers.items() if server.tunnel]
    if host.get_fact(IsWsl):
        return  # "Have WSL stay up" sees to it
    if host.name == deployment.dify_host and tunnelled and not host.get_fact(Systemd):
        yield (
            f"the tunnel to {' and '.join(tunnelled)} is kept open by systemd, which does not run here; set "
            f"{tunnelled[0]}.transport to direct or public"
        )


def _fits(servers: Sequence[ModelServer]) -> Iterator[str]:
    """Models, packages and ports against what the host has; what cannot be known is left to the start."""
    brings = packages(text(servers[0].serving.vllm_requirements))
    nvidia = host.get_fact(NvidiaSmi)
    folders = {server.role: host.get_fact(ModelFolder, path=server.model_dir) for server in servers}
    models = known(servers, folders)
    for server in servers:
        yield from port_problems(server, host.get_fact(Listeners) or ())
        if brings.cuda and nvidia != Nvidia() and server.role not in models:
            host.log(
                f"the size of {server.settings.model} is not known yet; whether it fits shows at its start"
            )
    yield from fit_problems(servers, brings, nvidia, models)
    yield from disk_problems(
        (need, host.get_fact(FreeSpace, path=need.path), host.get_fact(FolderSizes, folders=list(need.begun)))
        for need in _needs(servers, brings, folders, models)
    )


def _needs(
    servers: Sequence[ModelServer],
    brings: Packages,
    folders: dict[ModelRole, ModelFiles],
    models: dict[ModelRole, Model],
) -> Iterator[Need]:
    """What this run will put onto the host's disk."""
    serving, environment = servers[0].serving, environment_dir(servers[0])
    wanted = fingerprint(text(serving.vllm_requirements), serving)
    packed = environment_need(serving, brings, environment)
    if packed and host.get_fact(EnvironmentStamp, path=environment) != wanted:
        yield packed
    for server in servers:
        settings, model = server.settings, models.get(server.role)
        complete = not folders[server.role].problem(settings.model, settings.revision)
        if model and not settings.model_path and not complete:
            revisions = host.get_fact(ModelRevisions, beginnings=server.revisions)
            caches = host.get_fact(ModelScopeCopies, model=settings.model)
            yield model_need(server, model.weights, [*revisions, *caches])
