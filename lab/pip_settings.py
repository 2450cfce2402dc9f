"""What pip is told on this machine about where packages come from, for handing it to the test hosts."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

from lab import paths
from lab.vllm import wheel

# Where a machine without a CPU build of torch at hand finds one (https://pytorch.org/get-started/locally/).
PYTORCH_CPU_PAGE = "https://download.pytorch.org/whl/cpu/torch/"
HOST_FOLDER = "/srv/wheels"
MADE_HERE = paths.CACHE / "wheels"


@cache
def _settings() -> dict[str, list[str]]:
    """pip's own settings by name; the environment's come last in each list, since they win."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, list[str]] = {}
    for from_environment in (False, True):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            section, _, key = name.rpartition(".")
            if (section == ":env:") == from_environment:
                found.setdefault(key, []).append(str(ast.literal_eval(value)))
    return found


def index_url() -> str | None:
    """The package index that replaces PyPI on this machine; ``None`` when nothing does."""
    given = [url for url in _settings().get("index-url", []) if not url.startswith("file:")]
    return given[-1] if given else None


def machine_folders() -> list[Path]:
    """The folders of this machine where pip looks for packages (``find-links``)."""
    words = [word for value in _settings().get("find-links", []) for word in value.split()]
    folders = [
        Path(word.removeprefix("file://")) for word in words if "://" not in word.removeprefix("file://")
    ]
    return [folder.resolve() for folder in dict.fromkeys(folders) if folder.is_dir()]


def mounts() -> list[tuple[Path, str]]:
    """Folders with packages that every GPU host gets: (here, on the host).

    The first holds the one wheel that the lab makes itself.
    """
    wheel.write(MADE_HERE)
    folders = [MADE_HERE, *machine_folders()]
    return [(folder, f"{HOST_FOLDER}/{number}") for number, folder in enumerate(folders)]


def find_links() -> list[str]:
    """Where a test host looks for packages beside the index, for the deploy's settings."""
    folders = [f"{HOST_FOLDER}/{number}" for number in range(1 + len(machine_folders()))]
    return folders if machine_folders() else [*folders, PYTORCH_CPU_PAGE]
