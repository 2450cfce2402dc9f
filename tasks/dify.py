"""Dify, by docker compose."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import LinuxName, Which

from provision.domain.deployment import Deployment
from provision.operations import apt, dify, dify_stack

# The distributions' own engines; Compose is a plugin under another name on each.
ENGINE = {"Debian": ("docker.io", "docker-compose"), "Ubuntu": ("docker.io", "docker-compose-v2")}


@deploy("Dify")
def install_dify(deployment: Deployment) -> None:
    """Have Dify's containers run from the pinned version with our settings."""
    if host.name != deployment.dify_host:
        return
    apt.packages(
        name="Install the packages that Dify's host needs", wanted=["ca-certificates", "git", "python3"]
    )
    if not host.get_fact(Which, command="docker"):
        wanted = ENGINE.get(host.get_fact(LinuxName) or "", ENGINE["Debian"])
        apt.packages(name="Install Docker", wanted=wanted)
    dify_stack.engine(name="Find Docker Engine and Compose")
    dify_stack.clone(name="Clone Dify", dify=deployment.dify)
    dify_stack.settings(name="Write Dify's .env and override", deployment=deployment)
    dify_stack.up(name="Start Dify", dify=deployment.dify)


@deploy("Dify")
def await_dify(deployment: Deployment) -> None:
    """Wait until Dify answers with a database behind it."""
    if host.name == deployment.dify_host:
        dify.ready(name="Wait for Dify", settings=deployment.dify)
