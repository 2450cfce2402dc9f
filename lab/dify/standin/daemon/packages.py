"""Plugin packages (``.difypkg``): zip files with a manifest and, when signed, a signature in the comment.

Source: dify-plugin-daemon ``pkg/plugin_packager`` for the form (``manifest.yaml``,
``.verification.dify.json``, signature and time in the zip's comment). The key is the lab's own: a package
signed by the real marketplace does not pass here, and the lab's passes nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any

PYPROJECT, REQUIREMENTS = "pyproject.toml", "requirements.txt"
LAB_KEY = b"signs packages for the lab and for nothing else"
VERIFICATION = ".verification.dify.json"
TOP_LEVEL = re.compile(r"^(author|name|version):\s*['\"]?([^'\"\s]+)['\"]?\s*$", re.MULTILINE)


class BadPackageError(Exception):
    """The file is no package."""


@dataclass(frozen=True)
class Package:
    """A package that was read.

    Args:
        identifier: ``author/name:version@checksum``.
        verification: who vouches for it; ``None`` for an unsigned one.
        modern: names its Python packages in pyproject.toml only.
    """

    identifier: str
    author: str
    name: str
    version: str
    verification: dict[str, Any] | None
    modern: bool


def build(author: str, name: str, version: str, signed: bool, files: tuple[str, ...] = ()) -> bytes:
    """A package for the lab: a manifest and empty files, the plugin's code is this daemon's own."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("manifest.yaml"), f"author: {author}\nname: {name}\nversion: {version}\n"
        )
        for name in files:
            archive.writestr(zipfile.ZipInfo(name), "")
        if signed:
            claim = json.dumps({"authorized_category": "langgenius"})
            archive.writestr(zipfile.ZipInfo(VERIFICATION), claim)
            archive.comment = json.dumps({"signature": _signature(archive)}).encode()
    return raw.getvalue()


def read(raw: bytes) -> Package:
    """What is in a package.

    Raises:
        BadPackageError: no zip file, or one without a usable manifest.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            said = dict(TOP_LEVEL.findall(archive.read("manifest.yaml").decode()))
            verification = _verification(archive)
            names = archive.namelist()
        author, name, version = said["author"], said["name"], said["version"]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BadPackageError("difypkg: not a valid difypkg file") from error
    checksum = hashlib.sha256(raw).hexdigest()
    identifier = f"{author}/{name}:{version}@{checksum}"
    modern = PYPROJECT in names and REQUIREMENTS not in names
    return Package(identifier, author, name, version, verification, modern)


def split(identifier: str) -> tuple[str, str, str]:
    """Plugin id, version and checksum of an identifier.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"([a-z0-9_-]+/[a-z0-9_-]+):([0-9A-Za-z.+-]+)@([0-9a-f]{64})", identifier)
    if not found:
        raise ValueError("plugin_unique_identifier is not valid")
    return found[1], found[2], found[3]


def _verification(archive: zipfile.ZipFile) -> dict[str, Any] | None:
    if VERIFICATION not in archive.namelist() or not archive.comment:
        return None
    signature = json.loads(archive.comment).get("signature", "")
    if not hmac.compare_digest(signature, _signature(archive)):
        return None
    claim: dict[str, Any] = json.loads(archive.read(VERIFICATION))
    return claim


def _signature(archive: zipfile.ZipFile) -> str:
    total = hmac.new(LAB_KEY, digestmod=hashlib.sha256)
    for entry in archive.infolist():
        total.update(f"{entry.filename} {entry.CRC:08x} {entry.file_size}\n".encode())
    return total.hexdigest()
