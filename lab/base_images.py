"""The images that everything in the lab is built from: a Debian tree that trusts what this machine trusts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab import recipes, trees, trust
from lab.docker import Docker
from lab.steps import step

RELEASES = ("bookworm", "trixie")

# Programs that bring certificates of their own (uv, pip, requests) use the system's only when told to; the
# file serves login sessions, through pam_env(8), and ENV serves the steps of a build.
DOCKERFILE = """\
FROM {tree}
COPY certificates/ /usr/local/share/ca-certificates/dvd-lab/
COPY environment /etc/environment
RUN update-ca-certificates
ENV SSL_CERT_FILE={bundle} PIP_CERT={bundle} REQUESTS_CA_BUNDLE={bundle}
"""
ENVIRONMENT = """\
SSL_CERT_FILE={bundle}
PIP_CERT={bundle}
REQUESTS_CA_BUNDLE={bundle}
"""


def tag(release: str) -> str:
    """The base image's name for a Debian release."""
    return f"dvd-lab/debian:{release}"


def ensure(docker: Docker, release: str) -> str:
    """Have the base image of a Debian release (one of `RELEASES`), and return its tag.

    Raises:
        lab.trees.TreeError: no Debian is to be had.
    """
    tree = trees.ensure(docker, release)
    recipe = recipes.digest(docker.recipe(tree), DOCKERFILE, ENVIRONMENT, trust.machine_bundle())
    with step(f"debian {release} base image") as current, recipes.only_one(f"base-{release}"):
        if docker.has_image(tag(release), recipe):
            current.note = "there already"
        else:
            _build(docker, release, tree, recipe)
    return tag(release)


def _build(docker: Docker, release: str, tree: str, recipe: str) -> None:
    fresh = docker.run("run", "--rm", tree, "cat", str(trust.SYSTEM_BUNDLE)).stdout
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        certificates = context / "certificates"
        certificates.mkdir()
        for number, block in enumerate(trust.missing_from(fresh)):
            (certificates / f"{number:03}.crt").write_text(block + "\n")
        (context / "environment").write_text(ENVIRONMENT.format(bundle=trust.SYSTEM_BUNDLE))
        (context / "Dockerfile").write_text(DOCKERFILE.format(tree=tree, bundle=trust.SYSTEM_BUNDLE))
        docker.build(tag(release), context, recipe)
