"""Python environments from pinned requirements files."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from io import BytesIO

from pyinfra import host
from pyinfra.api import FileUploadCommand, FunctionCommand, QuoteString, StringCommand, operation

from provision.domain.settings import ServingSettings
from provision.facts.python import STAMP, EnvironmentStamp
from provision.operations.watched import watched

Commands = Generator[StringCommand | FileUploadCommand | FunctionCommand, None, None]


@operation()
def environment(*, path: str, requirements: str, uv: str | None, serving: ServingSettings) -> Commands:
    """Have a virtual environment hold exactly what a requirements file names, no more and no less.

    Args:
        path: the environment's folder.
        requirements: the file's content; every version pinned, dependencies listed.
        uv: the uv to install with; ``None`` for the environment that uv itself lives in (plain pip).
        serving: index, find-links, package cache and link mode.
    """
    wanted = fingerprint(requirements, serving)
    found = host.get_fact(EnvironmentStamp, path=path)
    if found == wanted:
        host.noop(f"{path} is complete")
        return
    listed = f"{path}.requirements.txt"
    # A command of a killed run goes on on the host; the lock makes this run wait for it.
    alone = StringCommand("flock", QuoteString(f"{path}.lock"))
    yield StringCommand("mkdir -p", QuoteString(path.rsplit("/", 1)[0]))
    # The stamp goes first and comes back last. What a killed run left without one is made anew, not
    # repaired: uv believes a package's record and does not look at its files.
    yield StringCommand(alone, "rm -rf", QuoteString(f"{path}/{STAMP}" if found else path))
    yield FileUploadCommand(BytesIO(requirements.encode()), listed)
    yield from _with_uv(path, listed, uv, serving, alone) if uv else _with_pip(path, listed, serving, alone)
    yield StringCommand("printf %s", wanted, ">", QuoteString(f"{path}/{STAMP}"))


def fingerprint(requirements: str, serving: ServingSettings) -> str:
    """What an environment's stamp says when it is complete."""
    return hashlib.sha256(f"{requirements}\0{serving.link_mode}".encode()).hexdigest()


def _with_uv(path: str, listed: str, uv: str, serving: ServingSettings, alone: StringCommand) -> Commands:
    cache = serving.package_cache or f"{serving.data_dir}/cache/uv"
    program = StringCommand(alone, "env", QuoteString(f"UV_CACHE_DIR={cache}"), QuoteString(uv))
    # The system's own Python: a managed one would be downloaded from a host that mirrors lack.
    yield StringCommand(
        program, "venv --quiet --allow-existing --no-managed-python --python python3", QuoteString(path)
    )
    options: list[str | QuoteString] = ["--no-config", "--python", QuoteString(f"{path}/bin/python")]
    if serving.index_url:
        options += ["--default-index", QuoteString(serving.index_url)]
    for link in serving.find_links:
        options += ["--find-links", QuoteString(link)]
    if serving.link_mode:
        options += ["--link-mode", serving.link_mode]
    yield watched(
        StringCommand(program, "pip sync --no-progress --quiet", *options, QuoteString(listed)),
        "installing packages",
    )


def _with_pip(path: str, listed: str, serving: ServingSettings, alone: StringCommand) -> Commands:
    index: list[str | QuoteString] = (
        ["--index-url", QuoteString(serving.index_url)] if serving.index_url else []
    )
    yield StringCommand(alone, "python3 -m venv", QuoteString(path))
    yield StringCommand(
        alone, QuoteString(f"{path}/bin/pip"),
        "install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes",
        *index, "-r", QuoteString(listed),
    )  # fmt: skip
