"""Disk and threads: each refusal with its numbers and what to change, and what is not refused."""

from __future__ import annotations

from typing import Any

import pytest

from provision.domain.deployment import ModelServer
from provision.domain.hardware import POOLS, Limits, thread_caps
from provision.domain.packages import Packages
from provision.domain.room import Need, Space, disk_problems, environment_need, model_need
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


def test_parts_of_one_thing_are_told_as_one() -> None:
    parts = [(Need("the backup", path, GB), Space(GB, "/"), 0) for path in ("/a", "/b")]
    assert list(disk_problems(parts, "buy a disk")) == [
        "1.0 GB are free on /, but about 2.0 GB are needed (2.0 GB for the backup); free some, or buy a disk"
    ]


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
