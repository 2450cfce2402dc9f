"""Tiny models of the real architectures, made here because no model hub can be assumed to be reachable.

Nothing outside this folder's own environment may import its other modules: they need torch, which the project
itself does without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab import paths, pip_settings, recipes

_RECIPE = Path(__file__).parent
_VLLM_PINS = _RECIPE.parent / "vllm" / "requirements.txt"  # requirements.txt here takes its versions from it


def ensure(cache: Path) -> Path:
    """Have the models, made when their recipe is new.

    Args:
        cache: folder for this and other results of the lab; packages are cached in its ``uv`` folder.

    Returns:
        A folder with ``Qwen/Qwen3-0.6B``, ``BAAI/bge-base-zh-v1.5`` and ``BAAI/bge-reranker-base``.

    Raises:
        subprocess.CalledProcessError: a package could not be installed, or a model not written; the program
            that failed has said why on stderr.
    """
    folder = cache / f"models-{recipes.digest(_RECIPE, _VLLM_PINS)}"
    with recipes.only_one("models"):
        if not folder.exists():
            unfinished = recipes.scratch(folder)
            python = _environment(unfinished / "venv", cache / "uv")
            models = unfinished / "models"
            command = [str(python), "-m", "lab.models.generate", str(models)]
            subprocess.run(command, check=True, cwd=paths.ROOT, stdout=subprocess.DEVNULL)
            models.rename(folder)
            shutil.rmtree(unfinished)
    return folder


def _environment(folder: Path, package_cache: Path) -> Path:
    """Make the environment that the models are written in; return its Python."""
    uv = [sys.executable, "-m", "uv"]
    environment = os.environ | {"UV_CACHE_DIR": str(package_cache)}
    if (index := pip_settings.index_url()) is not None:
        environment["UV_DEFAULT_INDEX"] = index
    sources = [str(source) for source in pip_settings.machine_folders()] or [pip_settings.PYTORCH_CPU_PAGE]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [*uv, "pip", "install", "--quiet", "--python", str(python), "--link-mode", "symlink"]
    for source in sources:
        install += ["--find-links", source]
    install += ["--requirements", str(_RECIPE / "requirements.txt")]
    subprocess.run(install, check=True, env=environment)
    return python
