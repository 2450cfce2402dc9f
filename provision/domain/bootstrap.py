"""What an administrator of Windows does, by ``bootstrap/windows.ps1``: how it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

# Where interop is off, nothing of Windows can be asked or changed.
NO_INTEROP = "WSL's interop and automount have to be on (/etc/wsl.conf); `wsl --shutdown` repairs most"


def bootstrap_line(ports: Iterable[int] = (), *, options: str = "") -> str:
    """The advice to run the script; what an earlier run of it was given, holds on.

    Args:
        ports: that have to be allowed besides those that are already; none for a door that opens nothing new.
        options: more of the script's, such as ``-PublicKey "…"``.
    """
    words = [r"powershell -ExecutionPolicy Bypass -File bootstrap\windows.ps1"]
    if listed := ",".join(map(str, sorted(set(ports)))):
        words.append(f"-AllowedPorts {listed}")
    if options:
        words.append(options)
    return f"Run on Windows, as administrator, in the folder of this project: {' '.join(words)}"


def script_digest(script: bytes) -> str:
    """SHA-256 of a script, in hexadecimal digits; git on Windows may have given its lines other ends."""
    return hashlib.sha256(script.replace(b"\r", b"")).hexdigest()
