"""What a pinned requirements file says of the vLLM that it brings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from provision.domain.vllm import Version, version

# Remote code execution by a video URL: versions 0.8.3 and later, fixed in 0.14.1 (vLLM's advisory). What is
# older than 0.8.3 has holes of its own, so everything below the fix is refused.
CVE = "CVE-2026-22778"
CVE_FIXED: Version = (0, 14, 1)

# A pin, of upstream's package or of the CPU build's, or the URL of a wheel (vLLM's builds for older CUDA).
_VLLM = re.compile(r"^vllm(?:-cpu)?\s*(?:==\s*|@\s*\S*/vllm-)(\d[^\s;\\-]*)", re.MULTILINE | re.IGNORECASE)
# NVIDIA's own package of the CUDA runtime: …-cu12 for CUDA 12, without a suffix from CUDA 13.
_RUNTIME = re.compile(r"^nvidia-cuda-runtime(?:-cu\d+)?\s*==\s*(\d+)\.(\d+)", re.MULTILINE)
_TORCH = re.compile(r"^torch\s*==\s*[\d.]+\+cu(\d+)(\d)\b", re.MULTILINE)


@dataclass(frozen=True)
class Packages:
    """A requirements file, as far as it decides what vLLM can run on.

    Attributes:
        vllm: the pinned version, ``None`` when the file pins none.
        cuda: major and minor version of CUDA that the build brings, ``None`` for builds without CUDA.
    """

    vllm: str | None
    cuda: tuple[int, int] | None


def packages(text: str) -> Packages:
    """Read the content of a requirements file."""
    vllm = _VLLM.search(text)
    cuda = _RUNTIME.search(text) or _TORCH.search(text)
    return Packages(vllm[1] if vllm else None, (int(cuda[1]), int(cuda[2])) if cuda else None)


def unsafe(found: Packages, allowed: str | None) -> str | None:
    """Why this vLLM must not be installed, ``None`` when it may be.

    Args:
        found: what the requirements file brings.
        allowed: the vulnerability that the settings allow by name.
    """
    if allowed == CVE:
        return None
    if found.vllm is None:
        return "pins no version of vllm (vllm==X.Y.Z), so nobody can tell whether it is safe"
    if version(found.vllm) >= CVE_FIXED:
        return None
    return (
        f"pins vllm {found.vllm}, older than 0.14.1, which fixed {CVE} (remote code execution); "
        f"pin a newer one, or set serving.allow_vulnerable_vllm to {CVE!r}"
    )
