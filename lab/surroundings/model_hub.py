"""The model hub: ModelScope's routes over the lab's tiny models."""

from __future__ import annotations

from pathlib import Path

from lab import paths, waiting
from lab.addresses import MODEL_HUB
from lab.base_images import tag
from lab.containers import Container, start
from lab.docker import Docker
from lab.steps import step

PORT = 80
SERVED = ("Qwen/Qwen3-0.6B", "BAAI/bge-base-zh-v1.5", "BAAI/bge-reranker-base")
START_SECONDS = 20


def serve(docker: Docker, models: Path) -> None:
    """Have the hub running.

    Args:
        models: folder with one folder a model, ``OWNER/NAME`` as in `SERVED`.
    """
    shelves = [f"{name}=/srv/models/{name}" for name in SERVED]
    program = paths.ROOT / "lab" / "hub"
    hub = Container(
        MODEL_HUB,
        tag("bookworm"),
        options=(
            "--init",
            f"--volume={program}:/opt/hub:ro",
            f"--volume={models}:/srv/models:ro",
        ),
        command=("python3", "/opt/hub/server.py", "--host", MODEL_HUB.ip, "--port", str(PORT), *shelves),
        runs=(program,),
        keeps_state=False,
    )
    with step("model hub") as current:
        current.note = start(docker, hub)
        waiting.until(lambda: waiting.accepts(MODEL_HUB.ip, PORT), "the model hub", START_SECONDS)
