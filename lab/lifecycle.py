"""Bringing the whole lab up, repairing what is missing in it, and taking it down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lab import base_images, containers, daemon, models, paths
from lab.addresses import ALL
from lab.dify import images as dify_images
from lab.docker import LABEL, Docker
from lab.hosts import boot, catalogue, drive_c, keys
from lab.hosts import images as host_images
from lab.hosts import wipe as wipe_host
from lab.steps import step
from lab.surroundings import git_server, model_hub, registry
from lab.surroundings import images as service_images

OURS = frozenset(containers.name_of(address) for address in ALL)


def real_dify() -> bool:
    """Whether the Dify host shall use Dify's own images and repository (``LAB_DIFY=real``)."""
    return os.environ.get("LAB_DIFY") == "real"


def up() -> None:
    """Boot the lab, or repair what is missing in a running one; what runs is left alone.

    Raises:
        lab.daemon.EngineError, lab.docker.DockerError, lab.trees.TreeError, lab.hosts.BootError,
        TimeoutError: a step that failed has said so by name.
    """
    with step("docker engine") as current:
        docker = daemon.ensure()
        current.note = docker.host or "the machine's own"
    containers.networks(docker)
    _together(*(partial(base_images.ensure, docker, release) for release in base_images.RELEASES))
    jobs = [partial(host_images.ensure, docker, image) for image in host_images.BASES]
    jobs.append(partial(_model_hub, docker))
    if not real_dify():
        jobs.append(partial(_stand_ins, docker))
    _together(*jobs)
    drive_c.ensure(docker)
    keys.ensure_pairs()
    _together(*(partial(boot, docker, host) for host in catalogue.hosts(real_dify())))
    keys.write_known_hosts(docker)


def wipe(name: str) -> None:
    """Replace a host of the running lab by a blank one; nobody is told its new ssh key.

    Raises:
        as in `up`.
    """
    found = {host.address.name: host for host in catalogue.hosts(real_dify())}
    wipe_host(daemon.ensure(), found[name])


def _model_hub(docker: Docker) -> None:
    with step("models"):
        folder = models.ensure(paths.CACHE)
    model_hub.serve(docker, folder)


def _stand_ins(docker: Docker) -> None:
    """What the Dify host finds instead of GitHub and Docker Hub."""
    service_images.ensure(docker)
    git_server.serve(docker, git_server.repositories())
    registry.serve(docker)
    registry.publish(docker, dify_images.ensure(docker))


def _together(*jobs: Callable[[], object]) -> None:
    """Run jobs in threads; when one fails, the others end first."""
    with ThreadPoolExecutor() as workers:
        begun = [workers.submit(job) for job in jobs]
    for job in begun:
        job.result()


def down(with_cache: bool = False) -> None:
    """Remove the lab's containers, drive and network, and stop its own engine.

    Removes by name, never by label: a container has the labels of its image, so that a label would also find
    what somebody else started from an image of the lab. Their containers keep the engine running.

    Args:
        with_cache: remove the images and everything else that would make the next `up` quick, too.

    Raises:
        lab.daemon.EngineError: ``with_cache`` while the lab's own engine holds containers of others.
    """
    docker = daemon.connect()
    if docker is None and daemon.keeps_containers():
        docker = daemon.ensure()  # it was killed: its containers would come back with the next `up`
    foreign = _foreign(docker) if docker and docker == daemon.own() else []
    if foreign and with_cache:
        raise daemon.EngineError(f"its engine holds containers of others, left alone: {', '.join(foreign)}")
    if docker:
        with step("containers, drive, network") as current:
            current.note = f"{_remove(docker)} containers"
        if with_cache:
            with step("images"):
                _remove_images(docker)
    with step("docker engine") as current:
        if foreign:
            current.note = f"left running for {', '.join(foreign)}"
        else:
            current.note = "stopped" if daemon.stop() else "not ours, left alone" if docker else "none ran"
    shutil.rmtree(paths.STATE if with_cache else paths.RUN, ignore_errors=True)


def _containers(docker: Docker) -> list[str]:
    return docker.run("container", "ls", "--all", "--format", "{{.Names}}").stdout.split()


def _foreign(docker: Docker) -> list[str]:
    """The containers of an engine that are not the lab's, running or not."""
    return sorted(set(_containers(docker)) - OURS)


def _remove(docker: Docker) -> int:
    ours = sorted(set(_containers(docker)) & OURS)
    if ours:
        docker.run("container", "rm", "--force", "--volumes", *ours)
    if docker.has_volume(drive_c.VOLUME):
        docker.run("volume", "rm", drive_c.VOLUME)
    for network in containers.NETWORKS:
        if containers.has_network(docker, network):
            docker.run("network", "rm", network)
    return len(ours)


def _remove_images(docker: Docker) -> None:
    """Images that a container still needs stay: without --force the engine refuses to remove them."""
    found = docker.run("image", "ls", "--quiet", "--filter", f"label={LABEL}").stdout.split()
    for image in dict.fromkeys(found):
        tags = docker.run("image", "inspect", "--format", '{{join .RepoTags " "}}', image, check=False)
        docker.run("image", "rm", *(tags.stdout.split() or [image]), check=False)


def status(docker: Docker) -> str:
    """A table of the lab's containers."""
    named = [option for name in sorted(OURS) for option in ("--filter", f"name=^{name}$")]
    columns = "table {{.Names}}\t{{.Status}}\t{{.Image}}"
    return docker.run("ps", "--all", *named, "--format", columns).stdout
