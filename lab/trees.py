"""Bare Debian trees as images, without an image registry where apt reaches Debian's archive."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from lab import apt_archive, paths, recipes
from lab.docker import LABEL, RECIPE_LABEL, Docker
from lab.steps import log_tail, step

# What every container of the lab may count on; hosts install the rest in their own recipes.
PACKAGES = ("ca-certificates", "curl", "iproute2", "procps", "python3")
HUB_TAGS = {"bookworm": "debian:12", "trixie": "debian:13"}
HUB_SECONDS = 180
UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class TreeError(RuntimeError):
    """A Debian tree cannot be had; the message says which ways were tried."""


def ensure(docker: Docker, release: str) -> str:
    """Have the tree of a Debian release as an image, and return its tag.

    From a cached tree, else a new one from Debian's archive (mmdebstrap(1)), else from Docker Hub where
    this machine's apt knows no Debian.

    Args:
        release: code name, a key of `HUB_TAGS`.

    Raises:
        TreeError: none of these ways works.
    """
    tag = f"dvd-lab/tree:{release}"
    archive = apt_archive.find()
    recipe = recipes.digest(release, repr(archive), repr(PACKAGES), repr(UNREAD))
    with step(f"debian {release} tree") as current, recipes.only_one(f"tree-{release}"):
        if docker.has_image(tag, recipe):
            current.note = "there already"
        elif archive:
            tree = paths.CACHE / f"debian-{release}-{recipe}.tar.zst"
            if tree.exists():
                current.note = "from the cache"
            else:
                _build(release, archive, tree)
            _import(docker, tree, tag, recipe)
        else:
            _from_hub(docker, release, tag, recipe)
    return tag


def _build(release: str, archive: apt_archive.Archive, tree: Path) -> None:
    packages = paths.CACHE / f"apt-{release}"
    packages.mkdir(parents=True, exist_ok=True)
    unfinished = tree.with_name(f"unfinished-{tree.name}")
    log = paths.CACHE / f"debian-{release}.log"
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=tar",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNREAD),
        '--aptopt=Acquire::Languages "none"',
        *(f"--aptopt={option}" for option in archive.options),
        # Keep the downloaded packages for the next build (the recipe of mmdebstrap(1), "EXAMPLES").
        "--skip=download/empty",
        "--skip=essential/unlink",
        '--setup-hook=mkdir -p "$1"/var/cache/apt/archives/',
        f"--setup-hook=sync-in {packages} /var/cache/apt/archives/",
        f"--customize-hook=sync-out /var/cache/apt/archives {packages}",
        release,
        str(unfinished),
        *archive.sources(release),
    ]
    with log.open("wb") as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
    if done.returncode:
        unfinished.unlink(missing_ok=True)
        raise TreeError(f"mmdebstrap {release}: exit {done.returncode}; its log {log} ends:\n{log_tail(log)}")
    unfinished.rename(tree)


def _import(docker: Docker, tree: Path, tag: str, recipe: str) -> None:
    # Unpacked by zstd(1): `docker import` itself cannot read zstd before Docker 23.
    changes = ["--change", f'LABEL {LABEL} {RECIPE_LABEL}="{recipe}"', "--change", 'CMD ["bash"]']
    with subprocess.Popen(
        ["zstd", "--decompress", "--stdout", str(tree)], stdout=subprocess.PIPE
    ) as unpacked:
        done = subprocess.run(
            ["docker", "import", *changes, "-", tag],
            stdin=unpacked.stdout,
            capture_output=True,
            text=True,
            check=False,
            env=docker.environment(),
        )
    if done.returncode or unpacked.returncode:
        raise TreeError(f"docker import {tree}: exit {done.returncode}\n{done.stderr.strip()}")


def _from_hub(docker: Docker, release: str, tag: str, recipe: str) -> None:
    base = HUB_TAGS[release]
    try:
        pulled = docker.run("pull", "--quiet", base, check=False, timeout=HUB_SECONDS)
    except subprocess.TimeoutExpired:
        raise TreeError(
            f"apt knows no Debian archive here, and {base} was not pulled in {HUB_SECONDS} s"
        ) from None
    if pulled.returncode:
        raise TreeError(f"apt knows no Debian archive here, and {base} is no pull: {pulled.stderr.strip()}")
    with tempfile.TemporaryDirectory() as folder:
        install = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
        (Path(folder) / "Dockerfile").write_text(f"FROM {base}\nRUN {install}\n")
        docker.build(tag, Path(folder), recipe)
