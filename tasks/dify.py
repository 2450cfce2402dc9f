"""Dify, by docker compose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import LinuxDistribution, Which

from provision.domain.deployment import Deployment
from provision.facts.containers import Running
from provision.facts.git import CheckedOutTag
from provision.operations import apt, dify, dify_containers, dify_stack
from provision.operations.adoption import remembered
from provision.operations.failing import Problem
from provision.operations.unfinished import half_done, nothing_unfinished

# The distributions' own engines. Debian has Compose 2 since 13; on older ones "Find Docker" says what to do.
ENGINES = {
    "Debian": ("docker.io", "docker-cli", "docker-compose"),
    "Ubuntu": ("docker.io", "docker-compose-v2"),
}
OLDEST = {"Debian": 13, "Ubuntu": 22}


@deploy("Dify")
def prepare_for_dify(deployment: Deployment) -> None:
    """Have Docker, and what else Dify's host needs."""
    if host.name != deployment.dify_host:
        return
    apt.packages(
        name="Install the packages that Dify's host needs",
        wanted=["ca-certificates", "git", "iproute2", "python3"],
    )
    wanted = _engine_of_the_distribution()
    if wanted and not host.get_fact(Which, command="docker"):
        apt.packages(name="Install Docker", wanted=wanted)
    dify_containers.engine(name="Find Docker Engine and Compose")


def _engine_of_the_distribution() -> Sequence[str]:
    """The packages of an engine that Dify can run on; none where the distribution has none."""
    system = host.get_fact(LinuxDistribution)
    name = system["name"] or ""
    return ENGINES[name] if (system["major"] or 0) >= OLDEST.get(name, 999) else ()


def dify_problems(deployment: Deployment) -> Iterator[str]:
    """What the steps below would fail at, where it shows before anything is touched."""
    dify = deployment.dify
    if host.name != deployment.dify_host:
        return
    # Of the distribution's own a killed run may have left half, and apt may still be at it.
    yield from _told(dify_containers.no_engine(host, coming=bool(_engine_of_the_distribution())))
    yield from _told(half_done(host))
    if not host.get_fact(CheckedOutTag, path=dify.folder):
        yield from _told(dify_stack.no_place(host, dify))
        return
    try:
        yield from _told(dify_stack.no_env(host, dify))
    except OSError as error:  # begins with the host, as every line here will
        yield str(error).removeprefix(f"{host.name}: ")
    except ValueError as error:  # nothing that Compose reads
        yield f"{dify_stack.compose_dir(dify)}: {error}"


def _told(problem: Problem | None) -> Iterator[str]:
    if problem:
        yield str(problem)


@deploy("Dify")
def install_dify(deployment: Deployment) -> None:
    """Have Dify's containers run with our settings, at first from the pinned release."""
    if host.name != deployment.dify_host:
        return
    nothing_unfinished(name="Find nothing unfinished")
    dify_stack.clone(name="Clone Dify", dify=deployment.dify)
    remembered(name="Note where Dify stands", folder=deployment.dify.folder)
    dify_stack.settings(name="Write Dify's .env and override", deployment=deployment)
    dify_containers.up(name="Start Dify", dify=deployment.dify)


def runs(deployment: Deployment) -> bool:
    """Whether this is Dify's host, and Dify runs on it."""
    dify = deployment.dify
    return host.name == deployment.dify_host and host.get_fact(
        Running, project=dify_stack.project(host, dify)
    )


@deploy("Dify")
def await_dify(deployment: Deployment) -> None:
    """Wait until Dify answers with a database behind it."""
    if host.name == deployment.dify_host:
        dify.ready(name="Wait for Dify", settings=deployment.dify)
