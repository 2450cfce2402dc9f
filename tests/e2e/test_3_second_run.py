"""The second run changes nothing: no host, no process, no container, no request that writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from conftest import LAB, apply, plan, processes, writes_at_the_door

pytestmark = pytest.mark.usefixtures("converged")


def test_nothing_changes(on: Callable[..., str]) -> None:
    written, running = writes_at_the_door(on), processes(on)
    assert len(written) >= 10  # the door counts: the first run's writes went through it
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {}
    assert run.report["results"]["totals"]["success"] == 0
    assert writes_at_the_door(on) == written
    assert processes(on) == running


def test_a_dry_run_sees_no_change() -> None:
    run = plan()
    assert run.code == 0
    assert run.changed == {}


def drift(*arguments: str, inventory: str = LAB) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/drift", inventory, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_drift_says_in_sync() -> None:
    done = drift()
    assert (done.returncode, done.stdout) == (0, "in sync\n"), done.stderr[-3000:]


def test_drift_names_what_drifted_and_where(on: Callable[..., str]) -> None:
    on("gpu-embed", "systemctl", "stop", "dify-vllm-embed-gateway")
    done = drift()
    assert done.returncode == 2, done.stderr[-3000:]
    assert done.stdout == "drifted  gpu-embed: Serving | Put the gateway before it\n"
    assert apply().changed == {"Serving | Put the gateway before it": ["gpu-embed"]}
    assert drift().returncode == 0


def test_drift_fails_when_a_host_cannot_be_looked_at() -> None:
    done = drift(inventory="tests/e2e/inventories/unreachable.py")
    assert done.returncode == 1
    assert "failed   gpu-score" in done.stdout
