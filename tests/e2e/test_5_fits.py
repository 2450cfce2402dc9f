"""What does not fit is refused before anything is touched, with the numbers and the setting to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conftest import Run, apply, plan, processes

from lab.hub.repository import COMMIT

pytestmark = pytest.mark.usefixtures("converged")

# nvidia-smi as driver 535 has it, on a machine that was not updated for years.
OLD_DRIVER = """#!/bin/sh
case "$*" in
*--query-gpu*) echo "0, 535.161.08, 16160, [N/A], 7.0, Tesla V100-SXM2-16GB";;
*) echo "| NVIDIA-SMI 535.161.08   Driver Version: 535.161.08   CUDA Version: 12.2 |";;
esac
"""


def refused(run: Run) -> str:
    assert run.code == 1
    assert run.report == {}
    assert "Refused before anything was touched" in run.output
    return run.output


def test_a_length_that_the_model_does_not_have(on: Callable[..., str]) -> None:
    before = processes(on)
    said = refused(apply("--data", 'embed={"max_model_len": 4096}'))
    assert (
        "gpu-embed: embed.max_model_len = 4096, but embed.model = 'BAAI/bge-base-zh-v1.5' takes 512 tokens "
        "at most; set embed.max_model_len to 512 or less"
    ) in said
    assert processes(on) == before


def test_a_length_of_a_model_that_was_not_known_before_it_was_there(on: Callable[..., str]) -> None:
    """The lab's hub is not the one whose sizes are known; a revision of its own has a folder of its own."""
    before = processes(on)
    run = apply("--data", f'embed={{"revision": "{COMMIT}", "max_model_len": 4096}}')
    assert run.code == 1
    assert run.changed == {"Models | Download and verify the model": ["gpu-embed"]}
    assert "embed.max_model_len = 4096, but embed.model = 'BAAI/bge-base-zh-v1.5' takes 512" in run.output
    assert "gpu-embed failed, see above" in run.output
    assert processes(on) == before
    assert apply().changed == {"Models | Remove the model's old revisions": ["gpu-embed"]}


@pytest.fixture
def somebody(on: Callable[..., str]) -> Iterator[None]:
    """Somebody else's listener on port 8090 of a model host."""
    on("gpu-chat", "systemd-run", "--quiet", "--unit=somebody", "--socket-property=ListenStream=0.0.0.0:8090",
       "/bin/true")  # fmt: skip
    yield
    on("gpu-chat", "systemctl", "stop", "somebody.socket")


@pytest.mark.usefixtures("somebody")
def test_a_port_that_somebody_else_has(on: Callable[..., str]) -> None:
    before = processes(on)
    said = refused(apply("--data", 'chat={"listen_port": 8090}'))
    assert (
        "gpu-chat: chat.listen_port = 8090: systemd (process 1) listens there (0.0.0.0:8090); end it, or set "
        "chat.listen_port to a free port"
    ) in said
    assert processes(on) == before


@pytest.fixture
def old_driver(on: Callable[..., str]) -> Iterator[None]:
    path = "/usr/local/bin/nvidia-smi"
    on("gpu-chat", "sh", "-c", f'printf %s "$1" >{path} && chmod 755 {path}', "sh", OLD_DRIVER)
    yield
    on("gpu-chat", "rm", path)


@pytest.mark.usefixtures("old_driver")
def test_a_driver_and_a_gpu_that_are_too_old() -> None:
    said = refused(plan("--data", 'serving={"vllm_requirements": "requirements/vllm-cuda.txt"}'))
    assert "gpu-chat: serving.vllm_requirements = 'requirements/vllm-cuda.txt' brings CUDA 13.0" in said
    assert "needs NVIDIA's driver 580 or newer; here is 535.161.08 (CUDA 12.2)" in said
    assert "GPU 0 (Tesla V100-SXM2-16GB) has 7.0" in said
    # The same host with the CPU build: its GPU does not matter.
    assert plan().code == 0
