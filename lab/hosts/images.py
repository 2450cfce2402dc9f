"""Images of the test hosts."""

from __future__ import annotations

from pathlib import Path

from lab import base_images, paths, recipes
from lab.docker import Docker
from lab.steps import step

GPU = "dvd-lab/host:gpu"
WSL = "dvd-lab/host:wsl"
WINDOWS = "dvd-lab/host:windows"
BASES = {GPU: "bookworm", WSL: "trixie", WINDOWS: "bookworm"}
LINUX_CONTEXT = Path(__file__).parent / "image"
CONTEXTS = {GPU: LINUX_CONTEXT, WSL: LINUX_CONTEXT, WINDOWS: paths.ROOT / "lab" / "windows" / "image"}


def ensure(docker: Docker, tag: str) -> None:
    """Have a host's image (a key of `BASES`); its base image must be there."""
    recipe = recipes.digest(docker.recipe(base_images.tag(BASES[tag])), CONTEXTS[tag])
    with step(f"image {tag}") as current:
        if docker.has_image(tag, recipe):
            current.note = "there already"
        else:
            docker.build(tag, CONTEXTS[tag], recipe, dockerfile=f"{tag.partition(':')[2]}.Dockerfile")
