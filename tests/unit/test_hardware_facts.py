"""What nvidia-smi, df and the cgroup print, read; the commands run by this machine's shell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from asking import ask

from provision.domain.hardware import Gpu, Limits, Nvidia
from provision.domain.room import Space
from provision.facts.hardware import CgroupLimits, FolderSizes, FreeSpace, NvidiaSmi

MIB = 1024**2


def tool(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return folder


HEADING = "| NVIDIA-SMI 580.95.05    Driver Version: 580.95.05    CUDA Version: {cuda}     |"


def smi(folder: Path, rows: str, *, cuda: str = "13.0", knows: bool = True, code: int = 0) -> Path:
    """An nvidia-smi that answers a query with rows, or refuses the newer fields as old drivers do."""
    refusal = "echo 'Field \"compute_cap\" is not a valid field to query.'; echo; exit 2"
    return tool(
        folder,
        "nvidia-smi",
        f"""case "$*" in
        *compute_cap*) {f"printf '{rows}'; exit {code}" if knows else refusal};;
        *--query-gpu*) printf '{rows}'; exit {code};;
        *) [ {code} = 0 ] && echo '{HEADING.format(cuda=cuda)}'; exit {code};;
        esac""",
    )


def test_several_gpus(tmp_path: Path) -> None:
    rows = (
        "0, 580.95.05, 24564, [N/A], 8.9, NVIDIA GeForce RTX 4090\\n"
        "1, 580.95.05, 8192, [N/A], 7.5, Quadro RTX 4000\\n"
    )
    assert ask(NvidiaSmi, smi(tmp_path, rows)) == Nvidia(
        gpus=(
            Gpu(0, "NVIDIA GeForce RTX 4090", 24564 * MIB, (8, 9)),
            Gpu(1, "Quadro RTX 4000", 8192 * MIB, (7, 5)),
        ),
        driver="580.95.05",
        cuda=(13, 0),
    )


def test_the_heading_since_driver_610() -> None:
    heading = "| NVIDIA-SMI 610.57.04              KMD Version: 610.57.04     CUDA UMD Version: 13.3     |"
    row = "0, 610.57.04, 4096, [N/A], 7.5, NVIDIA GeForce GTX 1650"
    assert NvidiaSmi().process([row, heading]) == Nvidia(
        (Gpu(0, "NVIDIA GeForce GTX 1650", 4096 * MIB, (7, 5)),), "610.57.04", (13, 3)
    )


def test_an_old_driver_that_does_not_know_every_field(tmp_path: Path) -> None:
    found = ask(NvidiaSmi, smi(tmp_path, "0, 470.256.02, 16160, Tesla V100\\n", cuda="11.4", knows=False))
    assert found == Nvidia((Gpu(0, "Tesla V100", 16160 * MIB, None),), "470.256.02", (11, 4))


@pytest.mark.parametrize(
    "row",
    [
        "0, 580.95.05, 81559, Enabled, 9.0, NVIDIA H100 80GB HBM3",
        "0, 580.95.05, [Insufficient Permissions], Enabled, 9.0, NVIDIA H100 80GB HBM3",
        "0, 580.95.05, [N/A], [N/A], 9.0, NVIDIA H100 80GB HBM3",
    ],
    ids=["MIG", "MIG in a container", "not told"],
)
def test_memory_that_cannot_be_known(row: str) -> None:
    found = NvidiaSmi().process([row, HEADING.format(cuda="N/A")])
    assert found == Nvidia((Gpu(0, "NVIDIA H100 80GB HBM3", None, (9, 0)),), "580.95.05", None)


def test_a_driver_that_was_updated_and_not_reloaded(tmp_path: Path) -> None:
    said = "Failed to initialize NVML: Driver/library version mismatch\\nNVML library version: 580.126\\n"
    found = ask(NvidiaSmi, smi(tmp_path, said, code=18))
    mismatch = "Failed to initialize NVML: Driver/library version mismatch NVML library version: 580.126"
    assert found == Nvidia(error=mismatch)


def test_no_gpu_behind_the_program(tmp_path: Path) -> None:
    assert ask(NvidiaSmi, smi(tmp_path, "No devices were found\\n", code=6)).error == "No devices were found"


def test_a_host_without_nvidia() -> None:
    assert NvidiaSmi().process([]) == Nvidia()
    assert ask(NvidiaSmi) == Nvidia()


@pytest.mark.parametrize(
    ("files", "quota", "pids"),
    [
        ({}, None, None),
        ({"cpu.max": "max 100000", "pids.max": "max"}, None, None),
        ({"cpu.max": "650000 100000", "pids.max": "1024"}, 6.5, 1024),
        (
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000", "pids/pids.max": "max"},
            None,
            None,
        ),
        (
            {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000", "pids/pids.max": "2048"},
            1.5,
            2048,
        ),
    ],
    ids=["a plain host", "version 2", "version 2 limited", "version 1", "version 1 limited"],
)
def test_what_the_cgroup_grants(
    tmp_path: Path, files: dict[str, str], quota: float | None, pids: int | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    tools = tool(tmp_path, "nproc", 'echo "${OMP_NUM_THREADS-64}"')
    assert ask(CgroupLimits, tools, root=str(tmp_path)) == Limits(64, quota, pids)


def test_no_cgroup_at_all() -> None:
    assert ask(CgroupLimits, root="/no/such folder").quota is None


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = ask(FreeSpace, path=str(tmp_path / "not/there yet"))
    assert found.free > 0
    assert found.mount == ask(FreeSpace, path=str(tmp_path)).mount
    assert tmp_path.is_relative_to(found.mount)


def test_free_space_is_read_from_df() -> None:
    line = "/dev/nvme0n1p2  502392610816 398358532096 78441959424      84% /mnt/data disk"
    found = FreeSpace().process([line])
    assert found == Space(78441959424, "/mnt/data disk")
    assert FreeSpace().process([]) is None


def test_sizes_of_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "a b", tmp_path / "c"
    for folder in (first, second):
        folder.mkdir()
    (first / "x").write_bytes(b"0" * 3 * MIB)
    os.link(first / "x", second / "x")
    size = ask(FolderSizes, folders=[str(first), str(second), "/no/such folder"])
    assert 3 * MIB <= size < 4 * MIB
    assert ask(FolderSizes, folders=["/no/such folder"]) == 0
