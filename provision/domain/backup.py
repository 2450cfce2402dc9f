"""What belongs to a backup of Dify, what is told of it, and which backups are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal

from provision.domain.secrets import ETC, FOLDER

MANIFEST = "manifest.json"
FORMAT = 1
GB = 1000**3

# What hands the bot over lies beside the secrets; without it the next run would write it anew. Not all of it
# has to be there yet.
OURS = {
    "secrets": FOLDER,
    "api-key": f"{ETC}/api-key",
    "api-keys": f"{ETC}/api-keys",
    "handover": f"{ETC}/handover.md",
}
INSTALLATION = "installation"
COUNTING_MINUTES = 15  # until it is given up to count what a path holds

# Mounted by some from the machine, and no state of Dify's; links have been followed. A restore would give
# another machine the settings of this one.
_MACHINE = (
    "/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var/run",  # noqa: S108 - compared
    "/mnt/wsl/docker-desktop", "/mnt/wsl/docker-desktop-bind-mounts", "/mnt/wsl/resolv.conf",
    "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/zoneinfo",
)  # fmt: skip
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"\d{8}T\d{6}Z-[\w.]+")


@dataclass(frozen=True)
class Mount:
    """What a container of the project has mounted from outside.

    Attributes:
        source: its path on the host, without links; for a volume where Docker keeps it, empty when that is no
            folder.
        volume: name of the volume, empty for a bind mount.
    """

    kind: Literal["bind", "volume"]
    source: str
    writable: bool
    volume: str = ""


@dataclass(frozen=True)
class Part:
    """One path that is packed as one file.

    Attributes:
        name: what its file is called, without the ending.
        source: the path, a folder or a file.
        volume: the Docker volume that it is, empty for none.
    """

    name: str
    source: str
    volume: str = ""


@dataclass(frozen=True)
class Packed(Part):
    """A part as it lies in a backup.

    Attributes:
        size: bytes of the packed file.
        sha256: of the packed file.
        unpacked: bytes that it takes when it is put back.
    """

    sha256: str = ""
    size: int = 0
    unpacked: int = 0

    @property
    def file(self) -> str:
        return f"{self.name}.tar.gz"

    @property
    def member(self) -> str:
        """What its one entry at the top is called."""
        return PurePosixPath(self.source).name


@dataclass(frozen=True)
class Manifest:
    """What a backup is of. It holds no secret.

    Attributes:
        name: the backup's, which begins with its time.
        version: the tag of the clone, ``?`` for a work tree on none.
        downtime: seconds that Dify was stopped for it; 0 when it was not running.
        parts: the files.
        project: what compose calls the installation, as its volumes are labelled; empty in older ones.
        missing: what Dify uses and it does not hold, in words.
    """

    name: str
    version: str
    downtime: int
    parts: Sequence[Packed] = ()
    project: str = ""
    missing: Sequence[str] = ()

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def read_manifest(text: str) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: it is none, or one of another format.
    """
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise ValueError("another format")
        values.pop("images", None)  # told by older ones, and never asked for
        parts = [Packed(**part) for part in values.pop("parts")]
        missing = tuple(map(str, values.pop("missing", ())))
        manifest = Manifest(**values, parts=parts, missing=missing)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its {MANIFEST} cannot be read: {error}") from None
    if not is_name(manifest.name) or not all(re.fullmatch(r"[\w.-]+", part.name) for part in parts):
        raise ValueError(f"its {MANIFEST} holds names that are none")
    return manifest


def name_of(moment: datetime, version: str) -> str:
    """A backup's name, such as ``20261123T031500Z-1.16.1``: by name is by time.

    Args:
        moment: with its time zone.
        version: the clone's tag, ``?`` for none.
    """
    tag = version if re.fullmatch(r"[\w.]+", version) else "untagged"
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{tag}"


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class Contents:
    """What is packed, and what is not.

    Attributes:
        parts: what is packed while Dify is stopped.
        unheld: what Dify writes, and what is not packed, in words: going back does not bring it back.
        untouched: what it has mounted besides and does not write, or what is no data, in words.
        needless: what was to be left out and is not packed by itself anyway.
    """

    parts: list[Part]
    unheld: list[str]
    untouched: list[str]
    needless: list[str]

    @property
    def missing(self) -> list[str]:
        return [*self.unheld, *self.untouched]


def contents(
    folder: str, mounts: Iterable[Mount], external: Iterable[str] = (), leave_out: Collection[str] = ()
) -> Contents:
    """What belongs to a backup of an installation.

    The folder of the installation as a whole: clone (the owner may have edited files of it), ``.env``,
    override, and ``docker/volumes``, in which every release and every profile of Dify's keeps its data but
    two (Oracle and Elasticsearch have named volumes). What an override mounts from elsewhere comes with it.
    Databases are copied cold instead of dumped: one way for all of them, and the same bytes afterwards.

    Args:
        folder: the installation.
        mounts: of all its containers.
        external: what Dify keeps elsewhere, in words.
        leave_out: folders from elsewhere, and names of volumes, that the owner does not want packed.
    """
    volumes: dict[str, str] = {}
    elsewhere: dict[str, bool] = {}
    own = (folder, *OURS.values())
    for mount in mounts:
        if mount.kind == "volume":
            if not _ANONYMOUS.fullmatch(mount.volume):
                volumes[mount.volume] = mount.source
        elif not _within(mount.source, own):
            elsewhere[mount.source] = mount.writable or elsewhere.get(mount.source, False)
    reasons = {path: _reason(path, own, writable=writable) for path, writable in elsewhere.items()}
    taken = {path for path, reason in reasons.items() if not reason}
    tops = sorted(path for path in taken if not _within(path, taken - {path}))
    left_out = [each for each in [*tops, *sorted(volumes)] if each in leave_out]
    parts = [
        Part(INSTALLATION, folder),
        *(Part(name, path) for name, path in OURS.items()),
        *(Part(f"volume-{name}", path, name) for name, path in sorted(volumes.items())),
        *(Part(f"mount-{number}", path) for number, path in enumerate(tops, 1)),
    ]
    return Contents(
        [part for part in parts if not {part.source, part.volume} & set(left_out)],
        [*external, *(f"{each} (in dify.backup.leave_out)" for each in left_out)],
        [
            f"{path} ({reason})"
            for path, reason in sorted(reasons.items())
            if reason and not _within(path, taken)
        ],
        sorted(set(leave_out) - {*tops, *volumes}),
    )


def _reason(path: str, own: Iterable[str], *, writable: bool) -> str:
    """Why what is mounted from elsewhere is not packed; empty when it is."""
    if _within(path, _MACHINE):
        return "the machine's own"
    if any(_within(each, (path,)) for each in own):
        return "the installation lies in it"
    return "" if writable else "mounted read-only"


def place_of(part: Part, folder: str) -> str | None:
    """Where a part belongs when it is put back; ``None`` where Docker decides.

    Args:
        folder: the installation's, which may be another one than it was.
    """
    if part.name == INSTALLATION:
        return folder
    return None if part.volume else OURS.get(part.name, part.source)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def expired(names: Iterable[str], keep: int) -> list[str]:
    """The backups that are too many, oldest first.

    Args:
        names: of complete backups, in any order.
        keep: how many of the newest stay.
    """
    return sorted(names)[:-keep]


def in_no_folder(volume: str) -> str:
    """What to say of a volume that can be neither packed nor put back."""
    return (
        f"the volume {volume} is in no folder of this host (another driver, options, or Docker Desktop): "
        "have the override mount a folder in its place"
    )


def unpackable(wanted: Iterable[Part], sizes: Mapping[str, int | None]) -> Iterator[str]:
    """Why parts cannot be packed; only what is ours may be missing.

    Args:
        sizes: path to bytes, ``None`` where they could not be counted; those that do not exist are left out.
    """
    for part in wanted:
        if part.source in sizes:
            if sizes[part.source] is None:
                yield f"what {part.source} holds could not be counted within {COUNTING_MINUTES} minutes"
        elif part.volume:
            yield in_no_folder(part.volume)
        elif part.name not in OURS:
            yield (
                f"{part.source}, which Dify has mounted, is not there; mount its disk, start Dify once, or "
                "take it out of the override"
            )
