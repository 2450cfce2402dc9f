"""The files of ``knowledge/``, one folder a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from provision.domain.knowledge import SUFFIXES, Document, Source, source_problems
from provision.domain.settings import KnowledgeSettings
from provision.templates import ROOT

FOLDER = Path("knowledge")


def documents(settings: KnowledgeSettings, folder: str) -> list[Document]:
    """A folder's files as Dify gets them, by their paths.

    Raises:
        OSError: one cannot be read.
        UnicodeDecodeError: one is no UTF-8.
    """
    return [Document.of(source, settings.chunk_size) for source in _sources(folder)]


def problems(settings: KnowledgeSettings) -> Iterator[str]:
    """What is wrong with the folders that are to be known, one line each."""
    for folder in settings.folders:
        place = FOLDER / folder
        if not (ROOT / place).is_dir():
            yield f"{place}/ does not exist; make it and put {' and '.join(SUFFIXES)} files into it"
            continue
        yield from (
            f"{place}/{path} is neither of {', '.join(SUFFIXES)}; convert it, or take it out"
            for path in _others(folder)
        )
        try:
            found = _sources(folder)
        except UnicodeDecodeError as error:
            yield f"{place}/: {error.reason}: a file is not UTF-8; save it as UTF-8"
        except OSError as error:
            yield f"{error.filename} cannot be read: {error.strerror}"
        else:
            yield from source_problems({str(place): found}, settings.chunk_size)


def _sources(folder: str) -> Sequence[Source]:
    return [
        Source(path, (ROOT / FOLDER / folder / path).read_text(encoding="utf-8"))
        for path in _files(folder)
        if path.lower().endswith(SUFFIXES)
    ]


def _others(folder: str) -> list[str]:
    return [path for path in _files(folder) if not path.lower().endswith(SUFFIXES)]


def _files(folder: str) -> list[str]:
    """Paths below the folder, hidden ones left out."""
    root = ROOT / FOLDER / folder
    paths = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
