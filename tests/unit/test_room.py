"""Disk, ports and threads: each refusal with its numbers and what to change, and what is not refused."""

from __future__ import annotations

from typing import Any

import pytest

from provision.domain.deployment import ModelServer
from provision.domain.hardware import POOLS, Limits, thread_caps
from provision.domain.packages import Packages
from provision.domain.room import (
    Listener,
    Listening,
    Space,
    disk_problems,
    environment_need,
    model_need,
    port_problems,
)
from provision.domain.settings import ChatSettings, ServingSettings

GB = 1000**3
CUDA = Packages("0.32.0", (13, 0))
VENV = "/srv/dify-vllm/venv/vllm"


def server(**settings: Any) -> ModelServer:
    return ModelServer("chat", "host", ChatSettings(**settings), ServingSettings(), "http://host:8080/v1")


def full(free: float, environment: int = 0, model: int = 0, **serving: Any) -> list[str]:
    """Problems of a host with one disk of so many GB, where parts already lie."""
    disk = Space(int(free * GB), "/hy-tmp")
    packages = environment_need(ServingSettings(**serving), CUDA, VENV)
    needs = [(model_need(server(), 1_504_000_000), disk, model)]
    return list(disk_problems([(packages, disk, environment), *needs] if packages else needs))


def test_a_disk_that_is_too_small() -> None:
    assert full(5) == [
        "5.0 GB are free on /hy-tmp, but about 9.5 GB are needed (8.0 GB for vLLM's packages, 1.5 GB for "
        "Qwen/Qwen3-0.6B); free some, or set serving.data_dir to a larger disk"
    ]
    assert full(10) == []


def test_what_a_killed_run_left_is_not_needed_again() -> None:
    assert full(1.5, environment=8 * GB, model=GB) == []
    assert "(1.0 GB for vLLM's packages)" in full(0.5, environment=7 * GB, model=2 * GB)[0]


def test_copies_of_a_model_on_the_host_count_as_begun() -> None:
    cache = "/root/.cache/modelscope/hub/models/Qwen/Qwen3-0___6B"
    staging = "/srv/dify-vllm/models/.staging/Qwen--Qwen3-0.6B@master"
    assert model_need(server(), GB, [cache]).begun == (staging, cache)


@pytest.mark.parametrize(
    ("serving", "gb"),
    [
        ({}, 8),
        ({"link_mode": "hardlink"}, 8),
        ({"link_mode": "copy"}, 16),
        ({"link_mode": "copy", "package_cache": "/var/cache/uv"}, 8),
    ],
)
def test_packages_lie_in_the_cache_too(serving: dict[str, Any], gb: int) -> None:
    need = environment_need(ServingSettings(**serving), CUDA, VENV)
    assert need is not None
    assert need.size == gb * GB
    assert need.begun == (VENV, serving.get("package_cache", "/srv/dify-vllm/cache/uv"))


def test_packages_that_stay_in_a_cache_need_nothing() -> None:
    assert environment_need(ServingSettings(link_mode="symlink"), CUDA, VENV) is None


def test_a_build_without_cuda_is_smaller() -> None:
    need = environment_need(ServingSettings(), Packages("0.32.0+cpu", None), VENV)
    assert need is not None
    assert need.size == 2.5 * GB


def test_each_disk_is_judged_alone_and_unknown_ones_are_not() -> None:
    need = model_need(server(), 2 * GB)
    small, large = Space(GB, "/"), Space(9 * GB, "/data")
    assert len(list(disk_problems([(need, small, 0), (need, large, 0)]))) == 1
    assert list(disk_problems([(need, None, 0), (need, large, 0)])) == []


def test_a_foreign_process_on_the_gateways_port() -> None:
    jupyter = Listener("0.0.0.0", 8080, "jupyter-lab (process 77)", (77,), ("/root",))
    assert list(port_problems(server(), Listening((jupyter,), frozenset({5})))) == [
        "chat.listen_port = 8080: jupyter-lab (process 77) listens there (0.0.0.0:8080); end it, or set "
        "chat.listen_port to a free port"
    ]


def test_a_foreign_process_on_vllms_port() -> None:
    other = Listener("*", 8000, "python (process 9)", (9,), ("/opt/other",))
    assert list(port_problems(server(), Listening((other,)))) == [
        "chat.vllm_port = 8000: python (process 9) listens there (*:8000); end it, or set chat.vllm_port to "
        "a free port"
    ]


def test_an_owner_that_the_login_may_not_see() -> None:
    hidden = Listener("0.0.0.0", 8080)
    (found,) = port_problems(server(), Listening((hidden,)))
    assert "a process that this login may not see listens there" in found
    # Ours run under an account of their own: in a container root may not look into them either.
    assert list(port_problems(server(), Listening((hidden,), frozenset({812})))) == []


@pytest.mark.parametrize(
    ("listener", "ours"),
    [
        (Listener("0.0.0.0", 8080, "nginx", (811, 812), ()), {812}),
        (Listener("0.0.0.0", 8080, "nginx", (813,), ("/srv/dify-vllm/services/chat-gateway/state",)), set()),
        (Listener("127.0.0.1", 8000, "x", (4,), ("/hy-tmp/d/services/score-vllm/state (deleted)",)), set()),
        (Listener("0.0.0.0", 9000, "other", (1,), ("/",)), set()),
        (Listener("192.168.1.9", 8000, "other", (1,), ("/",)), set()),
        (Listener("[::]", 8080, "other", (1,), ("/",)), set()),
    ],
    ids=["noted by the launcher", "a child of ours", "of a removed folder", "another port",
         "another address", "IPv6 only"],
)  # fmt: skip
def test_ports_that_may_be_taken(listener: Listener, ours: set[int]) -> None:
    assert list(port_problems(server(), Listening((listener,), frozenset(ours)))) == []


@pytest.mark.parametrize(
    ("limits", "threads"),
    [
        (Limits(), None),
        (Limits(cpus=16), None),
        (Limits(cpus=16, quota=16.0, pids=4096), None),
        (Limits(cpus=128, quota=6.5), "6"),
        (Limits(cpus=128, pids=1024), "32"),
        (Limits(cpus=128, quota=64, pids=1024), "32"),
        (Limits(cpus=8, quota=0.5), "1"),
        (Limits(cpus=2, pids=20), "1"),
    ],
)
def test_threads_stay_within_what_a_container_may_use(limits: Limits, threads: str | None) -> None:
    assert thread_caps(limits) == ({} if threads is None else dict.fromkeys(POOLS, threads))
