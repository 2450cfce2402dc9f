"""Files that the bot is to know: cut into chunks, named by what is in them, compared with what Dify has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# What can be read as it is, without a converter.
SUFFIXES = (".md", ".markdown", ".txt")
# Dify cuts names off at 200 characters (``FileService.upload_text``); ours end with a mark of 11.
LONGEST_PATH = 180
# Between two chunks; a chunk has no empty line.
SEPARATOR = "\n\n"

_MARKED = re.compile(r"(?P<path>.+) · [0-9a-f]{8}", re.DOTALL)
# A sentence with its closing mark: Chinese ones end anywhere, Western ones before a space.
_SENTENCE = re.compile(r".+?(?:[。！？；!?]+[”’」』）)]*|\.(?=\s)|\n|$)", re.DOTALL)
_HEADING = re.compile(r"#{1,6}\s")
# Dify searches with 250 characters at most; one of few letters is in many chunks.
_LONGEST_PROBE, _FEWEST_LETTERS = 60, 8
# What Dify may take out of a chunk, or off its beginning: no letter or digit, but for those among its
# symbols (``clean_processor.py``, ``text_processing_utils.py`` up to 1.16.1).
_UNSURE = re.compile(r"[\W_ï¾\u2e00-\u2e7f\u3000-\u303f]+")


@dataclass(frozen=True)
class Source:
    """A file to be known.

    Args:
        path: below the dataset's folder, with slashes.
    """

    path: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Document:
    """A source as Dify gets it.

    Dify does not show what is in a document, so the name carries a fingerprint of it. Citations show the
    name, so the file's path comes first.
    """

    path: str
    chunks: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, source: Source, size: int) -> Document:
        """Args:
        size: characters of a chunk at most.
        """
        return cls(source.path, tuple(cut(source.text, size)))

    @property
    def text(self) -> str:
        return SEPARATOR.join(self.chunks)

    @property
    def name(self) -> str:
        return f"{self.path} · {hashlib.sha256(self.text.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class StoredDocument:
    """A document as Dify lists it.

    Args:
        status: ``waiting``, ``parsing``, ``cleaning``, ``splitting``, ``indexing``, ``paused``, ``error`` or
            ``completed``.
        enabled: not switched off in the console.
        archived: put away in the console; Dify neither searches nor deletes such a document.
    """

    id: str
    name: str
    status: str
    enabled: bool = True
    archived: bool = False
    error: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether this tool made it; others are left alone."""
        return bool(self.path)

    @property
    def path(self) -> str:
        """Of the file that one of ours was made of; empty for others."""
        marked = _MARKED.fullmatch(self.name)
        return marked["path"] if marked else ""

    @property
    def is_set_aside(self) -> bool:
        """Whether a person took it out of the search, in the console."""
        return self.archived or not self.enabled

    @property
    def is_broken(self) -> bool:
        return self.status in ("error", "paused")


@dataclass(frozen=True)
class DocumentPlan:
    """Args:
    add: to be sent.
    unfinished: sent, but not indexed yet, by an earlier run that was killed for instance.
    broken: their indexing failed. They go first: Dify would give a document of the same name not a place of
        its own but theirs.
    remove: outdated, of deleted files, or there twice. They go last, when what replaces them is there.
    set_aside: taken out of the search by a person, and left alone.
    """

    add: tuple[Document, ...] = ()
    unfinished: tuple[StoredDocument, ...] = ()
    broken: tuple[StoredDocument, ...] = ()
    remove: tuple[StoredDocument, ...] = ()
    set_aside: tuple[StoredDocument, ...] = ()

    def __str__(self) -> str:
        """What there is to do, in one line; empty when nothing is."""
        parts = {
            "to index": [document.path for document in self.add],
            "being indexed": [document.name for document in self.unfinished],
            "to remove": [document.name for document in (*self.broken, *self.remove)],
        }
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def plan_documents(wanted: Sequence[Document], stored: Sequence[StoredDocument]) -> DocumentPlan:
    """Compare by name, which says path and content."""
    usable: dict[str, StoredDocument] = {}
    for document in sorted(stored, key=lambda each: each.status != "completed"):
        if not document.is_broken and not document.is_set_aside:
            usable.setdefault(document.name, document)
    names = {document.name for document in wanted}
    kept = [document for name, document in usable.items() if name in names]
    ours = [document for document in stored if document.is_ours]
    leaving = [document for document in ours if document not in kept and not document.is_set_aside]
    return DocumentPlan(
        add=tuple(each for each in not_set_aside(wanted, stored) if each.name not in usable),
        unfinished=tuple(document for document in kept if document.status != "completed"),
        broken=tuple(document for document in leaving if document.is_broken),
        remove=tuple(document for document in leaving if not document.is_broken),
        set_aside=tuple(document for document in ours if document.is_set_aside),
    )


def not_set_aside(wanted: Sequence[Document], stored: Sequence[StoredDocument]) -> list[Document]:
    """Those that the bot may know: a file of which Dify has nothing but what a person took out of the search
    is not sent again, however it changes."""
    searched = {document.path for document in stored if not document.is_set_aside}
    aside = {document.path for document in stored if document.is_set_aside} - searched
    return [document for document in wanted if document.path not in aside]


def cut(text: str, size: int) -> Iterator[str]:
    """Cut a text into chunks of ``size`` characters at most, none of which has an empty line.

    Dify would cut, too, but at every empty line, and it leaves a heading alone in a chunk that says nothing.
    So paragraphs are put together as long as they fit, a heading goes with what follows it, and what is too
    long is cut after a sentence.
    """
    chunk: list[str] = []
    for piece in _pieces(text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"), size):
        if len("".join([*chunk, piece]).strip()) <= size:
            chunk.append(piece)
            continue
        headings = _trailing_headings(chunk)
        # A heading that fills a chunk with what follows it stays alone.
        if len("".join([*headings, piece]).strip()) > size:
            headings = []
        yield from _joined(chunk[: len(chunk) - len(headings)])
        chunk = [*headings, piece]
    yield from _joined(chunk)


def _pieces(text: str, size: int) -> Iterator[str]:
    """Paragraphs, or their sentences, or parts of these; each paragraph ends with a line end."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = "\n".join(" ".join(line.split()) for line in paragraph.strip().split("\n"))
        if not lines:
            continue
        if len(lines) <= size:
            yield f"{lines}\n"
            continue
        for sentence in _SENTENCE.findall(f"{lines}\n"):
            for start in range(0, len(sentence), size):
                yield sentence[start : start + size]


def _trailing_headings(chunk: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for piece in reversed(chunk):
        if not (_HEADING.match(piece) and piece.count("\n") == 1):
            break
        kept.insert(0, piece)
    return kept


def _joined(pieces: Sequence[str]) -> Iterator[str]:
    if chunk := "".join(pieces).strip():
        yield re.sub(r"\n{2,}", "\n", chunk)


@dataclass(frozen=True)
class Probe:
    """A sentence that stands in exactly one document."""

    document: str
    sentence: str


def probe(documents: Sequence[Document]) -> Probe | None:
    """What to search for, to see that it is found: the longest fitting sentence that is there only once."""
    found: dict[str, list[Probe]] = {}
    for document in documents:
        for sentence in _sentences(document):
            found.setdefault(_letters(sentence), []).append(Probe(document.name, sentence))
    fitting = [
        each[0]
        for letters, each in found.items()
        if len(each) == 1 and len(letters) >= _FEWEST_LETTERS and len(each[0].sentence) <= _LONGEST_PROBE
    ]
    return max(fitting, key=lambda each: len(each.sentence), default=None)


def holds(chunk: str, sentence: str) -> bool:
    """Whether a chunk has this sentence. Dify changes white space and symbols; letters and digits count."""
    return _letters(sentence) in _letters(chunk)


def _letters(text: str) -> str:
    return _UNSURE.sub("", text)


def _sentences(document: Document) -> Iterator[str]:
    for chunk in document.chunks:
        for line in chunk.split("\n"):
            if not _HEADING.match(line):
                yield from (sentence.strip() for sentence in _SENTENCE.findall(line) if sentence.strip())


def source_problems(sources: Mapping[str, Sequence[Source]], size: int) -> Iterator[str]:
    """What is wrong with folders of files: folder to its files."""
    for folder, files in sources.items():
        if not files:
            yield f"{folder} has no file of {', '.join(SUFFIXES)}"
        for source in files:
            if len(source.path) > LONGEST_PATH:
                yield f"{folder}/{source.path}: its path has more than {LONGEST_PATH} characters; shorten it"
            if not any(cut(source.text, size)):
                yield f"{folder}/{source.path} is empty"
