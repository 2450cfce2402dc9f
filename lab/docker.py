"""The Docker client of the lab: one method for each thing the lab asks of an engine.

The command line client is driven, not the HTTP API: every failure can then be repeated by hand.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LABEL = "dvd-lab=1"
RECIPE_LABEL = "dvd-lab.recipe"


class DockerError(RuntimeError):
    """A docker command failed; the message holds the command and what it said."""


@dataclass(frozen=True)
class File:
    """What a file in a container holds, and who may read it."""

    content: str | bytes
    mode: int = 0o644

    def raw(self) -> bytes:
        """The content as it goes onto the disk."""
        return self.content.encode() if isinstance(self.content, str) else self.content


@dataclass(frozen=True)
class Docker:
    """A client bound to one engine.

    Args:
        host: the engine's address as in ``DOCKER_HOST``; ``None`` leaves the machine's own default.
    """

    host: str | None = None

    def run(
        self, *args: str, stdin: str | bytes | None = None, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker ARGS`` and capture what it prints.

        Args:
            stdin: what its standard input holds; without it the command gets an empty one.
            check: raise when it fails.
            timeout: seconds.

        Raises:
            DockerError: exit status other than 0, while ``check``.
            subprocess.TimeoutExpired: it took longer than ``timeout``.
        """
        done = subprocess.run(
            ["docker", *args],
            input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
            capture_output=True,
            check=False,
            timeout=timeout,
            env=self.environment(),
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            said = f"{err.strip()}\n{out.strip()}".strip()
            raise DockerError(f"docker {' '.join(args)}: exit {done.returncode}\n{said[-4000:]}")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def environment(self) -> dict[str, str]:
        """The environment in which a docker client talks to this engine."""
        return dict(os.environ) | ({"DOCKER_HOST": self.host} if self.host else {})

    def exec(
        self,
        container: str,
        *argv: str,
        stdin: str | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside a running container (as root). Errors as in `run`."""
        interactive = ["-i"] if stdin is not None else []
        return self.run("exec", *interactive, container, *argv, stdin=stdin, check=check, timeout=timeout)

    def put(self, container: str, files: Mapping[str, File]) -> None:
        """Write files into a container, running or not, owned by root; folders are made as needed.

        Args:
            files: absolute path inside the container → what it holds.
        """
        tape = io.BytesIO()
        with tarfile.open(fileobj=tape, mode="w") as archive:
            for path, file in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode, entry.mtime = len(file.raw()), file.mode, time.time()
                archive.addfile(entry, io.BytesIO(file.raw()))
        self.run("cp", "-", f"{container}:/", stdin=tape.getvalue())

    def answers(self) -> bool:
        """Whether an engine is there and lets us in."""
        try:
            done = self.run("version", "--format", "{{.Server.Version}}", check=False, timeout=20)
        except (subprocess.TimeoutExpired, FileNotFoundError):
            return False
        return done.returncode == 0

    def recipe(self, image: str) -> str:
        """The hash of the recipe that made an image; empty when it has none, or there is no such image."""
        return self._recipe_label("image", image)

    def container_recipe(self, container: str) -> str:
        """The same for a container."""
        return self._recipe_label("container", container)

    def _recipe_label(self, kind: str, name: str) -> str:
        label = f'{{{{index .Config.Labels "{RECIPE_LABEL}"}}}}'
        shown = self.run(kind, "inspect", "--format", label, name, check=False)
        return shown.stdout.strip() if shown.returncode == 0 else ""

    def has_image(self, tag: str, recipe: str) -> bool:
        """Whether the image is there and was made by that recipe."""
        return self.recipe(tag) == recipe

    def image_id(self, image: str) -> str:
        """The engine's id of an image. Raises `DockerError` when there is no such image."""
        return self.run("image", "inspect", "--format", "{{.Id}}", image).stdout.strip()

    def build(self, tag: str, context: Path, recipe: str, dockerfile: str = "Dockerfile") -> None:
        """Build an image and label it with its recipe's hash, for `has_image`."""
        self.run(
            "build",
            *("--tag", tag, "--label", LABEL, "--label", f"{RECIPE_LABEL}={recipe}"),
            *("--file", str(context / dockerfile), str(context)),
        )

    def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that name."""
        return self.run("volume", "inspect", name, check=False).returncode == 0

    def state(self, container: str) -> str:
        """``running``, ``exited``… as the engine calls it; empty when there is no such container."""
        shown = self.run("container", "inspect", "--format", "{{.State.Status}}", container, check=False)
        return shown.stdout.strip() if shown.returncode == 0 else ""
