"""Windows' drive C:, the one thing that Windows and its WSL share."""

from __future__ import annotations

from lab import paths
from lab.base_images import tag
from lab.docker import LABEL, Docker, File
from lab.steps import step

VOLUME = "dvd-lab-drive-c"
SEED = paths.ROOT / "lab" / "windows" / "drive"


def ensure(docker: Docker) -> None:
    """Have the drive; a new one is filled from the repository, an old one keeps what Windows remembers."""
    with step("drive C:") as current:
        if docker.has_volume(VOLUME):
            current.note = "there already"
            return
        docker.run("volume", "create", "--label", LABEL, VOLUME)
        try:
            _fill(docker)
        except BaseException:
            docker.run("volume", "rm", "--force", VOLUME, check=False)
            raise


def _fill(docker: Docker) -> None:
    files = {
        f"/mnt/c/{file.relative_to(SEED)}": File(file.read_bytes(), file.stat().st_mode & 0o777)
        for file in sorted(SEED.rglob("*"))
        if file.is_file()
        and not any(part.endswith("cache__") or part.endswith("_cache") for part in file.parts)
    }
    carrier = docker.run(
        "create", "--label", LABEL, f"--volume={VOLUME}:/mnt/c", tag("bookworm")
    ).stdout.strip()
    try:
        docker.put(carrier, files)
    finally:
        docker.run("rm", carrier)
