"""A container of the lab: what it is made of, and how it comes up or is repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import recipes
from lab.addresses import GATEWAY, LAN_SUBNET, SUBNET, Address
from lab.docker import LABEL, RECIPE_LABEL, Docker, File

NETWORK = "dvd-lab"
LAN = "dvd-lab-lan"
NETWORKS = (NETWORK, LAN)


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
        network: that it is in; the LAN sees nothing of the lab's own network.
        lan_ip: its second address, on the LAN.
        keeps_state: what happens inside must outlive a change of its recipe, as on the deploy's hosts.
    """

    address: Address
    image: str
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()
    network: str = NETWORK
    lan_ip: str | None = None
    keeps_state: bool = True

    @property
    def name(self) -> str:
        return name_of(self.address)


def name_of(address: Address) -> str:
    """The name of the container that has this address."""
    return f"dvd-lab-{address.name}"


def networks(docker: Docker) -> None:
    """Have the lab's networks."""
    for name, *options in (
        (NETWORK, "--subnet", SUBNET, "--gateway", GATEWAY),
        (LAN, "--subnet", LAN_SUBNET),
    ):
        if not has_network(docker, name):
            docker.run("network", "create", "--label", LABEL, *options, name)


def has_network(docker: Docker, name: str) -> bool:
    """Whether there is a network of that name."""
    return docker.run("network", "inspect", name, check=False).returncode == 0


def start(docker: Docker, container: Container) -> str:
    """Have a container running, and say how: it ran already, was restarted, or is new.

    One that keeps state is never replaced: what was deployed onto it would be lost. Any other is, once it is
    made differently.

    Raises:
        lab.docker.DockerError: it cannot be made or started.
    """
    places = (container.network, container.lan_ip)
    settings = repr((container.options, container.command, container.files, *places))
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
        *("--network", container.network, "--ip", container.address.ip),
        *container.options,
        container.image,
        *container.command,
    )
    if container.lan_ip:
        docker.run("network", "connect", "--ip", container.lan_ip, LAN, container.name)
    if container.files:
        docker.put(container.name, container.files)
