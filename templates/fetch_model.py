"""Download a model from ModelScope, believe nothing, and put it in place only when it is whole.

    fetch_model.py MODEL_ID --target DIR --staging DIR
                   [--revision master] [--endpoint URL] [--workers N] [--verify]

Runs with the Python of an environment that has `modelscope` (1.38 or newer), on a machine that has nothing
else of this project. The client downloads into the staging folder, where a later run goes on after a kill.
Then every file's size and SHA-256 are compared with the hub's own listing, asked for here, since the client
was reported to call broken downloads complete (modelscope/modelscope issues 1317, 1365, 1661). Only then does
the folder become the target, by a rename, with a manifest of what it holds in ``.manifest.json``:
``{"model": ID, "revision": REVISION, "files": [{"path": PATH, "size": BYTES, "sha256": HEX}]}``.

A target whose manifest names this model and revision, and whose files have the sizes named there, is
complete: nothing is asked of the hub. ``--verify`` compares hashes as well, and replaces what is damaged.

Exit code 0 when the target is complete; else 1, with one line on stderr that says why and what to do.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlencode

MANIFEST = ".manifest.json"
# Marks a folder as ours, since whatever the listing does not name is deleted from it in the end.
STAGING_MARK = ".staging"
HUB = "https://www.modelscope.cn"
# The hub silently lists no more entries than this (modelscope-hub 0.5.1, REPO_FILES_TRUNCATION_LIMIT).
LISTING_LIMIT = 3000
LISTING_TIMEOUT_SECONDS = 60
PROGRESS_SECONDS = 5
MEGABYTE = 1_000_000


class FetchError(Exception):
    """The model cannot be put in place; the message says why and what to do."""


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: path inside the repository, size in bytes, SHA-256 in lower-case hex."""

    path: str
    size: int
    sha256: str


def parse_listing(answer: Any) -> list[ModelFile]:
    """Read the hub's answer to the listing of a repository's files.

    Raises:
        FetchError: the answer is no such listing, is cut short, or names a file that could not be verified
            or would be written outside the folder.
    """
    try:
        entries = answer["Data"]["Files"]
        files = [
            ModelFile(entry["Path"], int(entry["Size"]), str(entry["Sha256"]).lower())
            for entry in entries
            if entry["Type"] != "tree"
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise FetchError(
            "the hub's listing has an unknown form; is the endpoint a ModelScope hub?"
        ) from error
    if len(entries) >= LISTING_LIMIT:
        raise FetchError(
            f"the hub lists only {LISTING_LIMIT} entries of this model, so it cannot be verified"
        )
    if not files:
        raise FetchError("the hub lists no files for this model; check its name and revision")
    for file in files:
        parts = PurePosixPath(file.path).parts
        if not parts or parts[0] == "/" or ".." in parts or file.path in (MANIFEST, STAGING_MARK):
            raise FetchError(
                f"the hub lists a file with the unsafe name {file.path!r}; do not use this model"
            )
        if file.size < 0 or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            raise FetchError(f"the hub lists {file.path} without size or SHA-256, so it cannot be verified")
    return files


def differences(folder: Path, files: Iterable[ModelFile], *, hashes: bool) -> dict[str, str]:
    """What is wrong with the files of a folder: path → how it differs; empty when nothing is.

    Args:
        hashes: compare contents too, and not only sizes.
    """
    wrong: dict[str, str] = {}
    for file in files:
        path = folder / file.path
        if not path.is_file():
            wrong[file.path] = "missing"
        elif (size := path.stat().st_size) != file.size:
            wrong[file.path] = f"{size} bytes instead of {file.size}"
        elif hashes and (actual := sha256(path)) != file.sha256:
            wrong[file.path] = f"SHA-256 {actual[:12]}… instead of {file.sha256[:12]}…"
    return wrong


def sha256(path: Path) -> str:
    """A file's SHA-256 in lower-case hex; what was hashed is on the disk, not only in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, model: str, revision: str, files: Iterable[ModelFile]) -> None:
    """Say in the folder what it holds."""
    content = {"model": model, "revision": revision, "files": [asdict(file) for file in files]}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path, model: str, revision: str) -> list[ModelFile] | None:
    """The files that a folder holds by its manifest; ``None`` without one, or when it is of another model."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if (content["model"], content["revision"]) != (model, revision):
            return None
        return [ModelFile(**file) for file in content["files"]]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def listing(endpoint: str, model: str, revision: str) -> list[ModelFile]:
    """Ask the hub what the model consists of.

    Raises:
        FetchError: the hub cannot be reached, has no such model, or answers something else.
    """
    query = urlencode({"Revision": revision, "Recursive": "True"})
    url = f"{endpoint}/api/v1/models/{model}/repo/files?{query}"
    try:
        with urllib.request.urlopen(url, timeout=LISTING_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return parse_listing(json.load(answer))
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 404:
            raise FetchError(f"{endpoint} has no model {model} at {revision}; check both names") from error
        raise FetchError(
            f"{endpoint} gave no listing of {model} ({error}); check --endpoint, network and proxy"
        ) from error


@contextmanager
def staging_folder(staging: Path, model: str) -> Iterator[None]:
    """Have the staging folder for this run alone.

    Raises:
        FetchError: another run is at work there, or the folder holds what this program did not put there.
    """
    staging.mkdir(parents=True, exist_ok=True)
    lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mark = staging / STAGING_MARK
        # Only the manifest is left of a run that was killed between its last two steps.
        if any(staging.iterdir()) and not mark.exists() and not (staging / MANIFEST).exists():
            raise FetchError(f"{staging} holds other files; name an empty or new folder with --staging")
        mark.write_text(f"{model}\n", encoding="utf-8")
        yield
    except BlockingIOError as error:
        raise FetchError(f"another download into {staging} is running; wait for it to end") from error
    finally:
        os.close(lock)


def reuse(target: Path, staging: Path, files: Iterable[ModelFile]) -> None:
    """Link what an older target already has into the staging folder, so that it is not downloaded again."""
    for file in files:
        copy = staging / file.path
        if not copy.exists() and not differences(target, [file], hashes=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(target / file.path)


def download(model: str, revision: str, endpoint: str, staging: Path, workers: int) -> None:
    """Have the client bring the files."""
    os.environ["TQDM_DISABLE"] = "1"  # progress bars are noise in a log; `progress` prints lines instead
    try:
        from modelscope import snapshot_download  # here, since a complete target does not need it
    except ImportError as error:
        raise FetchError(f"{sys.executable} has no modelscope; install it there") from error
    try:
        snapshot_download(
            model, revision=revision, local_dir=str(staging), endpoint=endpoint, max_workers=workers
        )
    except Exception as error:  # the client's own, of requests, and of the system
        reason = " ".join(str(error).split())[:300]
        raise FetchError(f"{model} is incomplete ({reason}); run again, it resumes") from error


@contextmanager
def progress(staging: Path, total: int) -> Iterator[None]:
    """Print a line every few seconds: the file under way, how much there is of how much, and the rate."""
    done = threading.Event()

    def report() -> None:
        before = _downloaded(staging)[0]
        while not done.wait(PROGRESS_SECONDS):
            now, file = _downloaded(staging)
            rate = (now - before) / PROGRESS_SECONDS
            print(f"{file}: {_mb(now)} of {_mb(total)}, {_mb(rate)}/s", flush=True)
            before = now

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def _downloaded(staging: Path) -> tuple[int, str]:
    """Bytes on the disk (not the holes of files written from several places), and the file under way."""
    total, under_way, latest = 0, "", (False, 0)
    for path in staging.rglob("*"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # renamed or removed by the client meanwhile
        if path.is_file():
            total += min(state.st_size, state.st_blocks * 512)
            if (order := (path.suffix == ".incomplete", state.st_mtime_ns)) > latest:
                under_way, latest = path.name.removesuffix(".incomplete"), order
    return total, under_way


def _mb(size: float) -> str:
    return f"{size / MEGABYTE:.1f} MB"


def check(staging: Path, files: list[ModelFile]) -> None:
    """Compare with the listing, and drop what is wrong so that the next run brings it anew.

    Raises:
        FetchError: a file is not what the hub says it is.
    """
    wrong = differences(staging, files, hashes=True)
    if wrong:
        for path in wrong:
            (staging / path).unlink(missing_ok=True)
        named = "; ".join(f"{path}: {how}" for path, how in list(wrong.items())[:5])
        raise FetchError(
            f"{len(wrong)} files are not what the hub lists ({named}); run again to fetch them anew"
        )


def tidy(folder: Path, files: list[ModelFile]) -> None:
    """Remove what the listing does not name (the client's own notes), and let every user read the rest."""
    wanted = {folder / MANIFEST, *(folder / file.path for file in files)}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path in wanted:
            path.chmod(0o644)
        elif not path.is_dir():
            path.unlink()
        elif any(path.iterdir()):
            path.chmod(0o755)
        else:
            path.rmdir()
    folder.chmod(0o755)


def put_in_place(staging: Path, target: Path) -> None:
    """Make the staging folder the target; an older target exists until then."""
    replaced = target.with_name(f"{target.name}.replaced")
    if replaced.exists():
        shutil.rmtree(replaced)
    if target.exists():
        target.rename(replaced)
    staging.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def fetch(options: argparse.Namespace) -> str:
    """Have the model at the target; return one line that says what happened."""
    model, revision, target, staging = options.model, options.revision, options.target, options.staging
    known = read_manifest(target, model, revision)
    if known is not None:
        wrong = differences(target, known, hashes=options.verify)
        if not wrong:
            how = "verified" if options.verify else "complete"
            return f"{model}: {target} is {how} already, {len(known)} files"
        for path, difference in wrong.items():
            print(f"{path}: {difference}", flush=True)
    elif target.exists() and not (target / MANIFEST).exists() and any(target.iterdir()):
        raise FetchError(f"{target} holds files that were not put there by this program; move them away")

    begun = time.monotonic()
    files = listing(options.endpoint, model, revision)
    total = sum(file.size for file in files)
    target.parent.mkdir(parents=True, exist_ok=True)
    with staging_folder(staging, model):
        if staging.stat().st_dev != target.parent.stat().st_dev:
            raise FetchError(
                f"{staging} is on another disk than {target}; choose --staging beside the target"
            )
        reuse(target, staging, files)
        missing = total - _downloaded(staging)[0]
        if missing > (free := shutil.disk_usage(staging).free):
            raise FetchError(f"{staging} has {_mb(free)} free, {_mb(missing)} are needed; free some space")
        with progress(staging, total):
            download(model, revision, options.endpoint, staging, options.workers)
        check(staging, files)
        write_manifest(staging, model, revision, files)
        tidy(staging, files)
        put_in_place(staging, target)
    seconds = time.monotonic() - begun
    return f"{model}: {len(files)} files, {_mb(total)} in {seconds:.0f} s, verified, in {target}"


def main() -> int:
    """Read the command line, fetch, and report."""
    parser = argparse.ArgumentParser(description="Download a model from ModelScope, verified and atomically.")
    parser.add_argument("model", metavar="MODEL_ID", help="OWNER/NAME on the hub")
    parser.add_argument("--revision", default="master", help="branch, tag or commit")
    parser.add_argument("--target", type=Path, required=True, help="where the model is to be")
    parser.add_argument("--staging", type=Path, required=True, help="where it is gathered, on the same disk")
    parser.add_argument(
        "--endpoint", default=os.environ.get("MODELSCOPE_ENDPOINT") or HUB, help="the hub's URL"
    )
    parser.add_argument("--workers", type=int, default=4, help="files downloaded at the same time")
    parser.add_argument("--verify", action="store_true", help="compare hashes of a complete target too")
    options = parser.parse_args()
    options.endpoint = options.endpoint.rstrip("/")
    os.umask(0o022)
    try:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", options.model):
            raise FetchError(f"{options.model!r} is no model id; write it as OWNER/NAME")
        print(fetch(options))
    except FetchError as error:
        print(f"fetch_model: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"fetch_model: {error}; check the disk and the rights on the folders", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
