"""The image registry: a mirror of Docker Hub for the Dify host, and in the place of Weaviate's own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lab import paths, recipes, waiting
from lab.addresses import REGISTRY
from lab.containers import Container, start
from lab.docker import Docker, File
from lab.steps import step
from lab.surroundings.images import SERVICES

PORT = 80  # where an engine looks for a registry without TLS
WEAVIATE = "cr.weaviate.io"
# The engine pushes through its own loopback: the one place where every Docker accepts a registry without TLS.
PUBLISHED = ("127.0.0.1", 23522)  # below what outgoing connections get
STORAGE = paths.CACHE / "registry"
PUSHED = STORAGE / "pushed.json"  # name → id of the image that was pushed under it
START_SECONDS = 20

SETTINGS = f"""\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: /var/lib/registry}}
http:
  addr: :{PORT}
"""


def serve(docker: Docker) -> None:
    """Have the registry running; its storage is part of the cache, so that an image is pushed once."""
    STORAGE.mkdir(parents=True, exist_ok=True)
    ip, port = PUBLISHED
    registry = Container(
        REGISTRY,
        SERVICES,
        options=("--init", f"--publish={ip}:{port}:{PORT}", f"--volume={STORAGE}:/var/lib/registry"),
        command=("docker-registry", "serve", "/etc/lab-registry.yml"),
        files={"/etc/lab-registry.yml": File(SETTINGS)},
        keeps_state=False,
    )
    with step("image registry") as current:
        current.note = start(docker, registry)
        waiting.until(lambda: waiting.accepts(REGISTRY.ip, PORT), "the image registry", START_SECONDS)


def publish(docker: Docker, images: Mapping[str, str]) -> None:
    """Push images under the names that their registries would serve them by.

    Args:
        images: names as in a compose file, e.g. ``langgenius/dify-api:1.16.1`` or ``nginx:latest``, to the
            tags that they have on this machine.
    """
    with step("push of Dify's images") as current, recipes.only_one("registry"):
        pushed: dict[str, str] = json.loads(PUSHED.read_text()) if PUSHED.exists() else {}
        waiting_images = {name: docker.image_id(tag) for name, tag in images.items()}
        fresh = {name: made for name, made in waiting_images.items() if pushed.get(name) != made}
        for name, made in fresh.items():
            _push(docker, name, images[name])
            pushed[name] = made
            PUSHED.write_text(json.dumps(pushed, indent=1))
        current.note = f"{len(fresh)} new of {len(images)}"


def _push(docker: Docker, name: str, tag: str) -> None:
    ip, port = PUBLISHED
    target = f"{ip}:{port}/{path_of(name)}"
    docker.run("tag", tag, target)
    docker.run("push", "--quiet", target)
    docker.run("rmi", target)


def path_of(name: str) -> str:
    """Where an engine looks in this registry for an image of a compose file."""
    path = name.removeprefix(f"{WEAVIATE}/")
    # Docker Hub keeps images without an owner under "library".
    return path if "/" in path else f"library/{path}"
