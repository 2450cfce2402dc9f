"""Write the three tiny models into a folder: ``python -m lab.models.generate FOLDER``.

Runs in the environment of ``lab/models/requirements.txt``, from the repository's root.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from transformers.utils import logging

from lab.models import bge, qwen3, reranker

_WRITERS = {
    "Qwen/Qwen3-0.6B": (qwen3.write, "text-generation"),
    "BAAI/bge-base-zh-v1.5": (bge.write, "sentence-embedding"),
    "BAAI/bge-reranker-base": (reranker.write, "text-ranking"),
}


def main() -> None:
    """Read the command line and write the models."""
    parser = argparse.ArgumentParser(description="Write the lab's tiny models.")
    parser.add_argument("folder", type=Path)
    logging.disable_progress_bar()
    root: Path = parser.parse_args().folder
    for model, (write, task) in _WRITERS.items():
        torch.manual_seed(0)
        folder = root / model
        folder.mkdir(parents=True)
        write(folder)
        # Two files that every repository on the hub has and vLLM has no use for.
        (folder / "configuration.json").write_text(json.dumps({"framework": "pytorch", "task": task}) + "\n")
        (folder / "README.md").write_text(f"A tiny stand-in for {model}, with random weights.\n")
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(0o644)  # safetensors writes 0600, which no other user could serve
        print(f"{model}: {sum(p.stat().st_size for p in folder.rglob('*')) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
