"""The one image that the lab's own services share."""

from __future__ import annotations

from pathlib import Path

from lab import base_images, recipes
from lab.docker import Docker
from lab.steps import step

SERVICES = "dvd-lab/services"
CONTEXT = Path(__file__).parent / "image"


def ensure(docker: Docker) -> None:
    """Have the image; its base image, Debian bookworm, must be there."""
    recipe = recipes.digest(docker.recipe(base_images.tag("bookworm")), CONTEXT)
    with step(f"image {SERVICES}") as current:
        if docker.has_image(SERVICES, recipe):
            current.note = "there already"
        else:
            docker.build(SERVICES, CONTEXT, recipe)
