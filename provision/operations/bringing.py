"""A backup that was fetched to the control machine, brought to a host."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import Host, QuoteString, StringCommand

from provision.domain.backup import GB, MANIFEST, Manifest, read_manifest
from provision.domain.room import Need
from provision.facts.backup import Backups
from provision.operations.backup import digest
from provision.operations.room import require_room
from provision.operations.steps import StepError, copied_here, run


def copied(here: Path) -> Manifest:
    """The manifest of a folder on the control machine that a backup was fetched to.

    Raises:
        StepError: it is no backup.
    """
    try:
        return read_manifest((here / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StepError(f"{here} is no backup: {error}") from None


def bring(host: Host, here: Path, folder: str) -> None:
    """Have a backup that was fetched lie on the host; what arrived before is not sent again.

    Args:
        here: the backup's folder on this machine.
        folder: of the backups on the host.

    Raises:
        StepError: it is no whole backup, there is no room for it, or it cannot be written there.
    """
    manifest = copied(here)
    if manifest.name in host.get_fact(Backups, folder=folder):
        return
    staged, target = f"{folder}/.coming-{manifest.name}", f"{folder}/{manifest.name}"
    run(
        host, StringCommand("install -d -m 700", QuoteString(folder), QuoteString(staged)), f"making {folder}"
    )
    others = StringCommand(
        "find", QuoteString(folder), "-mindepth 1 -maxdepth 1 -name '.coming-*' ! -name",
        QuoteString(f".coming-{manifest.name}"), "-exec rm -rf {} +",
    )  # fmt: skip
    run(host, others, "removing what arrived of other backups")
    sent = Need("what is sent", staged, manifest.size, (staged,))
    require_room(host, [sent], "set dify.backup.folder to a larger disk")
    for number, part in enumerate(manifest.parts, 1):
        if not (here / part.file).exists() or digest(here / part.file) != part.sha256:
            raise StepError(f"{here / part.file} is missing, or damaged: its SHA-256 is not the manifest's")
        there = f"{staged}/{part.file}"
        if sha256(host, there) == part.sha256:
            continue
        host.log(f"sending {part.file} ({number} of {len(manifest.parts)}), {part.size / GB:.2f} GB")
        run(host, StringCommand("umask 077; : >", QuoteString(there)), f"making {there}")
        if not copied_here(host, here / part.file, there) and not host.put_file(str(here / part.file), there):
            raise StepError(f"{there} cannot be written")
    if not host.put_file(str(here / MANIFEST), f"{staged}/{MANIFEST}"):
        raise StepError(f"{staged}/{MANIFEST} cannot be written")
    run(host, StringCommand("mv -T", QuoteString(staged), QuoteString(target)), f"naming {target}")


def sha256(host: Host, path: str) -> str:
    """Of a file on the host; empty when it is not there."""
    command = StringCommand("sha256sum", QuoteString(path), "2>/dev/null | cut -d' ' -f1; true")
    return "".join(run(host, command, f"adding up {path}"))
