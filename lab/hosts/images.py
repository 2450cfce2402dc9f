"""Images of the test hosts."""

from __future__ import annotations

from pathlib import Path

from lab import base_images, recipes
from lab.docker import Docker
from lab.steps import step

GPU = "dvd-lab/host:gpu"
WSL = "dvd-lab/host:wsl"
CONTEXT = Path(__file__).parent / "image"
BASES = {GPU: "bookworm", WSL: "trixie"}


def ensure(docker: Docker, tag: str) -> None:
    """Have a host's image (`GPU` or `WSL`); its base image must be there."""
    recipe = recipes.digest(docker.recipe(base_images.tag(BASES[tag])), CONTEXT)
    with step(f"image {tag}") as current:
        if docker.has_image(tag, recipe):
            current.note = "there already"
        else:
            docker.build(tag, CONTEXT, recipe, dockerfile=f"{tag.partition(':')[2]}.Dockerfile")
