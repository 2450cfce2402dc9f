"""Certificate authorities that this machine trusts and a fresh Debian does not.

A machine behind an inspecting gateway reaches package registries only through its own authority; test
hosts on such a machine need it as well.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def machine_bundle() -> str:
    """The certificates that programs on this machine trust, in PEM; empty when there is no bundle."""
    bundle = Path(os.environ.get("SSL_CERT_FILE") or SYSTEM_BUNDLE)
    return bundle.read_text() if bundle.is_file() else ""


def missing_from(bundle: str) -> list[str]:
    """The certificates of this machine's bundle that another bundle lacks, each as one PEM block."""
    known = set(_certificates(bundle))
    return sorted(set(_certificates(machine_bundle())) - known)


def _certificates(bundle: str) -> list[str]:
    return [block.replace("\r", "") for block in CERTIFICATE.findall(bundle)]
