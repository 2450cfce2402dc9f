"""A changed setting changes exactly what depends on it; the next run is clean again."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from conftest import apply, plan, processes, setting

from lab import addresses

pytestmark = pytest.mark.usefixtures("converged")


@pytest.mark.full
def test_the_context_length(on: Callable[..., str]) -> None:
    before = processes(on)
    shorter = setting(chat={"max_model_len": 768})
    run = apply(*shorter)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {
        "Serving | Serve the model with vLLM": ["gpu-chat"],
        "Wiring | Connect the chat model": ["dify-wsl"],
    }
    after = processes(on)
    assert {name for name in after if after[name] != before[name]} == {"gpu-chat"}
    assert apply(*shorter).changed == {}
    assert apply().changed == run.changed
    assert plan().changed == {}


def test_the_prompt(on: Callable[..., str]) -> None:
    before = processes(on)
    other = setting(dify={"bot": {"prompt": "tests/e2e/other_prompt.md"}})
    run = apply(*other)
    assert run.changed == {"Wiring | Create and publish the chatbot": ["dify-wsl"]}
    assert apply(*other).changed == {}
    assert apply().changed == run.changed
    assert processes(on) == before


def test_the_port(on: Callable[..., str]) -> None:
    windows = f"http://{addresses.WINDOWS.ip}"
    before = processes(on)
    other = setting(dify={"port": 80, "public_url": f"{windows}:80"})
    run = apply(*other)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {
        "Dify | Write Dify's .env and override": ["dify-wsl"],
        "Dify | Start Dify": ["dify-wsl"],
        "Windows | Forward Dify's port from Windows": ["dify-wsl"],
        "Windows | Let the LAN through Windows' firewall": ["dify-wsl"],
        "Verify | Hand over link, address and key": ["dify-wsl"],
    }
    assert httpx.get(f"{windows}:80/console/api/setup").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{windows}:81/console/api/setup")
    assert apply(*other).changed == {}
    assert apply().changed == run.changed
    after = processes(on)
    assert {name for name in after if after[name] != before[name]} == {"dify-wsl"}
    assert apply().changed == {}
