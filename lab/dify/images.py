"""Stand-ins under the names of Dify's images: one shared layer, and metadata for each name.

PostgreSQL, Redis, nginx and squid are the real programs, from Debian; Dify's own containers are roles of
`lab.dify.standin`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import base_images, paths, recipes
from lab.dify.repository import VERSIONS
from lab.docker import LABEL, RECIPE_LABEL, Docker
from lab.steps import step

SHARED = "dvd-lab/dify"
HERE = Path(__file__).parent
CONTEXT = HERE / "images"
PACKAGE = HERE / "standin"
REQUIREMENTS = CONTEXT / "requirements.txt"
WITH_AGENTS = ("1.16.1", "1.17.1")


@dataclass(frozen=True)
class Image:
    """One name and what a container of it does.

    Args:
        name: as in the compose file.
        entrypoint: program and arguments; empty leaves the program to the compose file.
        command: default arguments.
        port: the one it is known to listen on; ``None`` when nobody has to know.
        folder: its working directory.
        stop_signal: what ends it in good order.
        version: of Dify that it says it is, where that matters.
    """

    name: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    port: int | None = None
    folder: str = "/"
    stop_signal: str = "SIGTERM"
    version: str | None = None

    @property
    def tag(self) -> str:
        """Its name on this machine: the real one belongs to the real image, which may well be here too."""
        return f"dvd-lab/hub/{self.name}"

    def dockerfile(self) -> str:
        lines = [
            f"FROM {SHARED}",
            f"WORKDIR {self.folder}",
            f"STOPSIGNAL {self.stop_signal}",
            f"ENTRYPOINT {json.dumps(self.entrypoint)}",
            f"CMD {json.dumps(self.command)}",
        ]
        lines += [f"EXPOSE {self.port}"] if self.port else []
        lines += [f"ENV STANDIN_VERSION={self.version}"] if self.version else []
        return "\n".join(lines) + "\n"


def _role(name: str, role: str, port: int, folder: str = "/app", version: str | None = None) -> Image:
    return Image(name, ("python3", "-m", "standin", role), port=port, folder=folder, version=version)


def _released(version: str) -> Iterator[Image]:
    """The images that have a release's own number."""
    yield _role(f"langgenius/dify-api:{version}", "api", 5001, "/app/api", version)
    yield _role(f"langgenius/dify-web:{version}", "web", 3000)
    if version in WITH_AGENTS:
        yield _role(f"langgenius/dify-agent-backend:{version}", "agent_backend", 5050)
        yield _role(f"langgenius/dify-agent-local-sandbox:{version}", "local_sandbox", 5004)


IMAGES = (
    *(image for version in VERSIONS for image in _released(version)),
    *(_role(f"langgenius/dify-sandbox:{number}", "sandbox", 8194) for number in ("0.2.11", "0.2.15")),
    *(
        _role(f"langgenius/dify-plugin-daemon:{number}-local", "plugin_daemon", 5002, version=version)
        for number, version in (("0.0.9", "1.3.1"), ("0.6.3", "1.16.1"), ("0.6.10", "1.17.1"))
    ),
    _role("semitechnologies/weaviate:1.19.0", "weaviate", 8080),
    _role("semitechnologies/weaviate:1.27.0", "weaviate", 8080),
    _role("cr.weaviate.io/semitechnologies/weaviate:1.39.2", "weaviate", 8080),
    # PostgreSQL's fast shutdown, as in the official image.
    Image("postgres:15-alpine", ("postgres-entrypoint",), ("postgres",), 5432, stop_signal="SIGINT"),
    Image("redis:6-alpine", command=("redis-server",), port=6379, folder="/data"),
    Image("nginx:latest", command=("nginx", "-g", "daemon off;"), port=80, stop_signal="SIGQUIT"),
    Image("ubuntu/squid:latest", ("squid", "-NYC"), port=3128),
    Image("busybox:latest", command=("sh",)),
)


def ensure(docker: Docker) -> dict[str, str]:
    """Have every image that Dify's compose files name; Debian bookworm's base image must be there.

    Returns:
        Name as in the compose file → tag on this machine.

    Raises:
        lab.docker.DockerError, subprocess.CalledProcessError: a build, or pip's download, failed.
    """
    base = docker.recipe(base_images.tag("bookworm"))
    recipe = recipes.digest(base, CONTEXT, PACKAGE)
    with step(f"image {SHARED}") as current, recipes.only_one("dify-images"):
        if docker.has_image(SHARED, recipe):
            current.note = "there already"
        else:
            _build_shared(docker, recipe)
        for image in IMAGES:
            _name(docker, image, recipe)
    return {image.name: image.tag for image in IMAGES}


def _build_shared(docker: Docker, recipe: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(CONTEXT, context, dirs_exist_ok=True)
        shutil.copytree(PACKAGE, context / "standin", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(_site_packages(), context / "site-packages")
        docker.build(SHARED, context, recipe)


def _name(docker: Docker, image: Image, shared: str) -> None:
    text = image.dockerfile()
    recipe = recipes.digest(shared, text)
    if docker.has_image(image.tag, recipe):
        return
    label = f"{RECIPE_LABEL}={recipe}"
    docker.run("build", "--tag", image.tag, "--label", LABEL, "--label", label, "-", stdin=text)


def _site_packages() -> Path:
    """The stand-in's libraries, pure Python, as a folder for ``PYTHONPATH``."""
    folder = paths.CACHE / f"dify-site-packages-{recipes.digest(REQUIREMENTS)}"
    if folder.exists():
        return folder
    unfinished = recipes.scratch(folder)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--no-compile", "--target", str(unfinished)),
            # For the image's Python, not for the one that runs this.
            *("--only-binary=:all:", "--python-version=3.11", "--implementation=py", "--platform=any"),
            *("--requirement", str(REQUIREMENTS)),
        ],
        check=True,
        capture_output=True,
    )
    unfinished.rename(folder)
    return folder
