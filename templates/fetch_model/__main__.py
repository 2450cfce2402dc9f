"""The download program.

    python -m fetch_model MODEL_ID --target DIR --staging DIR [--source DIR ...]
                   [--revision master] [--endpoint URL] [--cache DIR] [--workers N] [--stall-timeout SECONDS]
                   [--verify | --check]

Files that lie whole in a ``--source`` (an older revision, a cache of the owner's) are linked or copied into
the staging folder; ModelScope's client downloads the rest, and a later run goes on after a kill. Then every
file's size and SHA-256 are compared with the hub's own listing, asked for here, since the client was reported
to call broken downloads complete (modelscope/modelscope issues 1317, 1365, 1661). Only then does the folder
become the target, by a rename, with a manifest of what it holds in ``.manifest.json``:
``{"model": ID, "revision": REVISION, "commit": COMMIT, "verified": TIME,
"files": [{"path": PATH, "size": BYTES, "sha256": HEX}]}``.

A target whose manifest names this model and revision, and whose files have the sizes named there, is
complete: nothing is asked of the hub. ``--verify`` compares hashes as well, and replaces what is damaged;
``--check`` compares them and changes nothing.

Exit code 0 when the target is complete; else 1, with one line on stderr that says why and what to do.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

from fetch_model import FetchError
from fetch_model.client import Request, download
from fetch_model.folder import (
    MANIFEST,
    ModelFile,
    differences,
    put_in_place,
    read_manifest,
    tidy,
    write_manifest,
)
from fetch_model.hub import listing
from fetch_model.progress import in_mb, progress
from fetch_model.staging import gather, staging_folder

HUB = "https://www.modelscope.cn"


def fetch(options: argparse.Namespace) -> str:
    """Have the model at the target; return one line that says what happened."""
    model, revision, target, staging = options.model, options.revision, options.target, options.staging
    known = read_manifest(target, model, revision)
    if known is not None:
        wrong = differences(target, known, hashes=options.verify or options.check)
        if not wrong:
            how = "verified" if options.verify or options.check else "complete"
            return f"{model}: {target} is {how} already, {len(known)} files"
        for path, difference in wrong.items():
            print(f"{path}: {difference}", flush=True)
    elif target.exists() and not (target / MANIFEST).exists() and any(target.iterdir()):
        raise FetchError(f"{target} holds files that were not put there by this program; move them away")
    if options.check:
        raise FetchError(f"{target} is not {model} at {revision}; run again without --check")

    begun = time.monotonic()
    listed = listing(options.endpoint, model, revision, options.stall_timeout)
    files, total = listed.files, sum(file.size for file in listed.files)
    request = Request(
        model, revision, options.endpoint, options.cache, options.workers, options.stall_timeout
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with staging_folder(staging, model):
        if staging.stat().st_dev != target.parent.stat().st_dev:
            raise FetchError(
                f"{staging} is on another disk than {target}; choose --staging beside the target"
            )
        with progress(staging, total):
            gather(staging, [target, *options.source], files)
            download(request, staging)
        check(staging, files)
        write_manifest(staging, model, revision, listed.commit, files)
        tidy(staging, files)
        put_in_place(staging, target)
    seconds = time.monotonic() - begun
    return f"{model}: {len(files)} files, {in_mb(total)} in {seconds:.0f} s, verified, in {target}"


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


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="fetch_model", description="Download a model from ModelScope, verified and atomically."
    )
    parser.add_argument("model", metavar="MODEL_ID", help="OWNER/NAME on the hub")
    parser.add_argument("--revision", default="master", help="branch, tag or commit")
    parser.add_argument("--target", type=Path, required=True, help="where the model is to be")
    parser.add_argument("--staging", type=Path, required=True, help="where it is gathered, on the same disk")
    parser.add_argument(
        "--source", type=Path, action="append", default=[], help="a folder that may hold some of its files"
    )
    parser.add_argument(
        "--endpoint", default=os.environ.get("MODELSCOPE_ENDPOINT") or HUB, help="the hub's URL"
    )
    parser.add_argument("--cache", type=Path, help="the client's cache; beside the staging folder by default")
    parser.add_argument("--workers", type=int, default=4, help="files downloaded at the same time")
    parser.add_argument(
        "--stall-timeout", type=int, default=60, help="seconds without a byte before it gives up"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--verify", action="store_true", help="compare hashes of a complete target too")
    mode.add_argument("--check", action="store_true", help="compare hashes, change nothing")
    options = parser.parse_args()
    options.endpoint = options.endpoint.rstrip("/")
    options.cache = options.cache or options.staging.with_name(f"{options.staging.name}.cache")
    return options


def main() -> int:
    """Fetch, and report."""
    options = arguments()
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
