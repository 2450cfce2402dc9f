"""Secrets: made once on the host that keeps them, and files that hold them elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from io import BytesIO

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import File, Sha256File

from provision.domain.secrets import FOLDER, RECIPES, Kind
from provision.facts.secrets import SecretNames


@operation()
def generate(*, wanted: Mapping[str, Kind]) -> Generator[StringCommand, None, None]:
    """Make the secrets that do not exist yet, on the host itself: a value never travels.

    Args:
        wanted: name to kind.
    """
    found = host.get_fact(SecretNames, folder=FOLDER)
    missing = [name for name in wanted if name not in found]
    if not missing:
        host.noop("every secret exists")
        return
    yield StringCommand("install -d -m 700", QuoteString(FOLDER))
    for name in missing:
        path = f"{FOLDER}/{name}"
        # Renamed into place when complete: a killed run leaves no half secret behind.
        yield StringCommand(
            "umask 077;", RECIPES[wanted[name]], ">", QuoteString(f"{path}.new"),
            "&& { [ -s", QuoteString(path), "] || mv", QuoteString(f"{path}.new"), QuoteString(path), "; }",
        )  # fmt: skip


@operation()
def secret_file(
    *, content: str, path: str, group: str = "root", mode: str = "600", keep_owner: bool = False
) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Put a file, whole or not at all; unlike pyinfra's own it shows no difference at ``--diff``.

    Args:
        content: the whole file.
        path: where it lies on the host.
        group: who may read it beside root, if its mode says so.
        mode: its permissions, octal.
        keep_owner: a file that is there stays whose it is, so that its owner can go on using it.
    """
    wanted = hashlib.sha256(content.encode()).hexdigest()
    found = host.get_fact(File, path=path)
    fits = (
        found
        and (keep_owner or (found["user"], found["group"]) == ("root", group))
        and str(found["mode"]) == mode
    )
    if fits and host.get_fact(Sha256File, path=path) == wanted:
        host.noop(f"{path} is as wanted")
        return
    staged = f"{path}.new"
    yield StringCommand("umask 077; : >", QuoteString(staged))
    yield FileUploadCommand(BytesIO(content.encode()), staged)
    owner = StringCommand("--reference", QuoteString(path)) if keep_owner and found else f"root:{group}"
    yield StringCommand("chown", owner, QuoteString(staged), "&& chmod", mode, QuoteString(staged))
    # On the disk before it has its name: a power cut leaves the old file or the new one, and no empty one.
    yield StringCommand("sync", QuoteString(staged), "&& mv -T", QuoteString(staged), QuoteString(path))
