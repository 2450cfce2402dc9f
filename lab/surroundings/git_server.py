"""The git server: a git daemon with Dify's repository, in the place of GitHub."""

from __future__ import annotations

from pathlib import Path

from lab import paths, recipes, waiting
from lab.addresses import GIT_SERVER
from lab.containers import Container, start
from lab.dify import repository
from lab.docker import Docker
from lab.steps import step
from lab.surroundings.images import SERVICES

PORT = 9418
START_SECONDS = 20


def repositories() -> Path:
    """The folder with the bare repository ``dify.git``, built when its recipe is new."""
    folder = paths.CACHE / f"git-{recipes.digest(repository.COMPOSE, Path(repository.__file__))}"
    with step("Dify's repository") as current, recipes.only_one("git"):
        if folder.exists():
            current.note = "from the cache"
        else:
            unfinished = recipes.scratch(folder)
            repository.build(unfinished / "dify.git")
            unfinished.rename(folder)
    return folder


def serve(docker: Docker, folder: Path) -> None:
    """Have the git daemon running over a folder of bare repositories."""
    server = Container(
        GIT_SERVER,
        SERVICES,
        options=("--init", f"--volume={folder}:/srv/git:ro"),
        command=("git", "daemon", "--reuseaddr", "--export-all", "--base-path=/srv/git", "/srv/git"),
        keeps_state=False,
    )
    with step("git server") as current:
        current.note = start(docker, server)
        waiting.until(lambda: waiting.accepts(GIT_SERVER.ip, PORT), "the git server", START_SECONDS)
