"""What cannot work is refused or contained, and said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import apply, processes, writes_at_the_door

pytestmark = pytest.mark.usefixtures("converged")


def test_a_model_path_that_is_not_there_is_refused_before_anything_is_touched(on: Callable[..., str]) -> None:
    before = processes(on), writes_at_the_door(on)
    run = apply("--data", 'chat={"model_path": "/mnt/d/gx/no-model"}')
    assert run.code == 1
    assert run.report == {}
    assert "gpu-chat: chat.model_path = '/mnt/d/gx/no-model': no model there" in run.output
    assert "Starting operation" not in run.output
    assert (processes(on), writes_at_the_door(on)) == before


def test_an_unreachable_host_stops_only_itself(on: Callable[..., str]) -> None:
    before = writes_at_the_door(on)
    run = apply(inventory="tests/e2e/inventories/unreachable.py")
    assert run.code == 1
    assert "Wiring | Connect the chat model" in run.output
    assert "score on gpu-score is not wired: GET http://10.91.0.1:43045/v1/models" in run.output
    # Proven endpoints are wired (and were), the unproven one keeps what Dify has.
    assert writes_at_the_door(on) == before


def test_a_service_that_a_killed_run_left_behind_is_finished_by_the_next(on: Callable[..., str]) -> None:
    """The files are new, the process is old: as a run leaves them that dies before its restart."""
    launcher = "/srv/dify-vllm/services/chat-gateway/run"
    on("gpu-chat", "sed", "-i", "s/ [0-9a-f]*$/ 0/", launcher.replace("/run", "/started"))
    assert apply().changed == {"Serving | Put the gateway before it": ["gpu-chat"]}
    assert apply().changed == {}


def test_one_host_holds_three_roles() -> None:
    one_box = "tests/e2e/inventories/one_box.py"
    run = apply(inventory=one_box)
    assert run.code == 0, run.output[-6000:]
    assert run.changed["Wiring | Connect the chat model"] == ["dify-wsl"]
    assert run.changed["Serving | Serve the model with vLLM"] == ["gpu-embed"]
    again = apply(inventory=one_box)
    assert again.changed == {}
    assert again.code == 0
