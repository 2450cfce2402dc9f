"""A container of the lab: what it is made of, and how it comes up or is repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import recipes
from lab.addresses import GATEWAY, SUBNET, Address
from lab.docker import LABEL, RECIPE_LABEL, Docker, File

NETWORK = "dvd-lab"


@dataclass(frozen=True)
class Container:
    """A container that does not run yet.

    Args:
        address: its host name and its place on the lab's network.
        image: tag of its image.
        options: further options of ``docker create``.
        command: replaces the image's command, when not empty.
        files: written into it before its first start; absolute path → file.
        runs: files and folders of this repository that its command runs.
        keeps_state: what happens inside must outlive a change of its recipe, as on the deploy's hosts.
    """

    address: Address
    image: str
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()
    keeps_state: bool = True

    @property
    def name(self) -> str:
        return name_of(self.address)


def name_of(address: Address) -> str:
    """The name of the container that has this address."""
    return f"dvd-lab-{address.name}"


def network(docker: Docker) -> bool:
    """Have the lab's network. True when it had to be made."""
    if docker.run("network", "inspect", NETWORK, check=False).returncode == 0:
        return False
    docker.run("network", "create", "--label", LABEL, "--subnet", SUBNET, "--gateway", GATEWAY, NETWORK)
    return True


def start(docker: Docker, container: Container) -> str:
    """Have a container running, and say how: it ran already, was restarted, or is new.

    One that keeps state is never replaced: what was deployed onto it would be lost. Any other is, once it is
    made differently.

    Raises:
        lab.docker.DockerError: it cannot be made or started.
    """
    settings = repr((container.options, container.command, container.files))
    recipe = recipes.digest(docker.image_id(container.image), settings, *container.runs)
    state = docker.state(container.name)
    stale = state != "" and docker.container_recipe(container.name) != recipe
    # A container that was only created was cut short, perhaps before its files were there.
    if state == "created" or (stale and not container.keeps_state):
        docker.run("rm", "--force", "--volumes", container.name)
        state = ""
    if state == "":
        _create(docker, container, recipe)
        docker.run("start", container.name)
        return "new"
    if state != "running":
        docker.run("start", container.name)
    how = "ran already" if state == "running" else "restarted"
    return f"{how}; made by an older recipe: `down` and `up` replace it" if stale else how


def _create(docker: Docker, container: Container, recipe: str) -> None:
    docker.run(
        "create",
        *("--name", container.name, "--hostname", container.address.name),
        *("--label", LABEL, "--label", f"{RECIPE_LABEL}={recipe}"),
        *("--network", NETWORK, "--ip", container.address.ip),
        *container.options,
        container.image,
        *container.command,
    )
    if container.files:
        docker.put(container.name, container.files)
