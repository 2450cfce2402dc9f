"""The one wheel that the lab makes itself, and the list that it belongs to."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath

from lab.vllm import wheel

PINS = Path(wheel.__file__).with_name("requirements.txt").read_text()


def test_it_is_the_distribution_that_the_list_names(tmp_path: Path) -> None:
    made = wheel.write(tmp_path)
    (metadata,) = ZipPath(made).iterdir()
    distribution = PathDistribution(metadata)  # type: ignore[arg-type]  # a zip's path does for reading
    assert f"{distribution.name}=={distribution.version}" in PINS.splitlines()


def test_uv_installs_it(tmp_path: Path) -> None:
    wheel.write(tmp_path / "links")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-cache", "--no-deps"]
    places = ["--target", tmp_path / "site", "--find-links", tmp_path / "links"]
    subprocess.run([*uv, *places, f"vllm=={wheel.VERSION}"], check=True)
    assert (tmp_path / "site" / f"vllm-{wheel.VERSION}.dist-info" / "METADATA").is_file()


def test_its_bytes_never_change(tmp_path: Path) -> None:
    assert wheel.write(tmp_path / "a").read_bytes() == wheel.write(tmp_path / "b").read_bytes()


def test_the_list_names_no_cuda_build() -> None:
    named = {line.partition("==")[0].lower() for line in PINS.splitlines() if "==" in line}
    assert not {name for name in named if name.startswith(("nvidia", "triton", "torchvision", "torchaudio"))}
