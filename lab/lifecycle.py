"""Bringing the whole lab up, repairing what is missing in it, and taking it down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lab import base_images, containers, daemon, models, paths
from lab.dify import images as dify_images
from lab.docker import LABEL, Docker
from lab.hosts import boot, catalogue, drive_c, keys
from lab.hosts import images as host_images
from lab.steps import step
from lab.surroundings import git_server, model_hub, registry
from lab.surroundings import images as service_images


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
    containers.network(docker)
    _together(*(partial(base_images.ensure, docker, release) for release in base_images.RELEASES))
    jobs = [partial(host_images.ensure, docker, image) for image in host_images.BASES]
    jobs.append(partial(_model_hub, docker))
    if not real_dify():
        jobs.append(partial(_stand_ins, docker))
    _together(*jobs)
    drive_c.ensure(docker)
    keys.ensure_pair()
    _together(*(partial(boot, docker, host) for host in catalogue.hosts(real_dify())))
    keys.write_known_hosts(docker)


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
    """Remove the lab's containers, volumes and network, and stop its own engine.

    Args:
        with_cache: remove the images and everything else that would make the next `up` quick, too.
    """
    docker = daemon.connect()
    if docker:
        with step("containers, volumes, network") as current:
            current.note = f"{_remove(docker)} containers"
        if with_cache:
            with step("images"):
                _remove_listed(docker, "image", "ls")
    with step("docker engine") as current:
        current.note = "stopped" if daemon.stop() else "not ours, left alone" if docker else "none ran"
    shutil.rmtree(paths.STATE if with_cache else paths.RUN, ignore_errors=True)


def _remove(docker: Docker) -> int:
    removed = _remove_listed(docker, "container", "ls", "--all")
    _remove_listed(docker, "volume", "ls")
    _remove_listed(docker, "network", "ls")
    return removed


def _remove_listed(docker: Docker, kind: str, *listing: str) -> int:
    """Remove everything of a kind that has the lab's label; returns how many there were."""
    found = docker.run(kind, *listing, "--quiet", "--filter", f"label={LABEL}").stdout.split()
    options = {"container": ["--force", "--volumes"], "image": ["--force"]}.get(kind, [])
    if found:
        docker.run(kind, "rm", *options, *found)
    return len(found)


def status(docker: Docker) -> str:
    """A table of the lab's containers."""
    columns = "table {{.Names}}\t{{.Status}}\t{{.Image}}"
    return docker.run("ps", "--all", "--filter", f"label={LABEL}", "--format", columns).stdout
