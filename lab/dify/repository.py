"""Dify's git repository, in the lab's own words: the docker folder, one tag a version.

One description makes all of them: the templates of ``compose/all`` and of one of the two layouts that Dify
has had, ``compose/long`` (one long ``.env.example``) and ``compose/split`` (essentials, and the rest in
``envs/``); ``compose/parts`` has what they include. Services, names, ports, settings, defaults, health checks
and dependencies are those of ``langgenius/dify: docker/`` at the tag; 1.17.1's are those of its main branch
in August 2026 and of what 1.17 is known to have changed. Databases and stores that the deploy never chooses
are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import jinja2

COMPOSE = Path(__file__).parent / "compose"
VERSIONS = ("1.3.1", "1.15.0", "1.16.1", "1.17.1")
SPLIT_SINCE = "1.14.1"
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
        for version in VERSIONS:
            shutil.rmtree(work / "docker", ignore_errors=True)
            write(version, work / "docker")
            _git(work, "add", "--all")
            _git(work, "commit", "--quiet", f"--message=docker folder of Dify {version}")
            _git(work, "tag", version)
        _git(work, "clone", "--quiet", "--bare", str(work), str(target))


def write(version: str, folder: Path) -> None:
    """Write a version's docker folder; a template of which nothing is left makes no file."""
    layout = COMPOSE / ("split" if _order(version) >= _order(SPLIT_SINCE) else "long")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([COMPOSE / "all", layout, COMPOSE / "parts"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files, no HTML
    )
    environment.globals |= {
        "version": version,
        "since": lambda first: _order(version) >= _order(first),
        "variables": re.findall(r"^(\w+)=(.*)$", (layout / ".env.example").read_text(), re.MULTILINE),
    }
    for source in (COMPOSE / "all", layout):
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            name = file.relative_to(source)
            content = environment.get_template(name.as_posix()).render()
            if content.strip() or not file.stat().st_size:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content)
                shutil.copymode(file, target)


def _git(folder: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=folder, env=environment | IDENTITY, check=True)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
