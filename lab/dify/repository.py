"""Dify's git repository, in the lab's own words: the docker folder, one tag a version."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

COMPOSE = Path(__file__).parent / "compose"  # a folder a version
BRANCH = "main"
# The same commits, hence the same ids, on every machine.
IDENTITY = {
    "GIT_AUTHOR_NAME": "lab",
    "GIT_AUTHOR_EMAIL": "lab@example.com",
    "GIT_AUTHOR_DATE": "2026-07-28T00:00:00Z",
    "GIT_COMMITTER_NAME": "lab",
    "GIT_COMMITTER_EMAIL": "lab@example.com",
    "GIT_COMMITTER_DATE": "2026-07-28T00:00:00Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def build(target: Path) -> None:
    """Make a bare repository with Dify's ``docker/`` folder, a commit and a tag for each version.

    Args:
        target: where; must not exist, its parent must.

    Raises:
        subprocess.CalledProcessError: git failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _git(work, "init", "--quiet", f"--initial-branch={BRANCH}")
        for version in sorted(COMPOSE.iterdir(), key=_order):
            shutil.rmtree(work / "docker", ignore_errors=True)
            shutil.copytree(version, work / "docker")
            _git(work, "add", "--all")
            _git(work, "commit", "--quiet", f"--message=docker folder of Dify {version.name}")
            _git(work, "tag", version.name)
        _git(work, "clone", "--quiet", "--bare", str(work), str(target))


def _git(folder: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=folder, env=environment | IDENTITY, check=True)


def _order(version: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in version.name.split("."))
