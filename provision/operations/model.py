"""Models, whole and verified."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host, state
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation

from provision.domain.deployment import ModelServer
from provision.facts.model import ModelFolder, ModelRevisions, ModelScopeCopies
from provision.operations.watched import watch, watched

PROGRAM = "fetch_model"


@operation()
def model(*, server: ModelServer, python: str, programs: str) -> Generator[FunctionCommand, None, None]:
    """Have a model's files lie on the host, complete.

    Args:
        server: the model and where it belongs.
        python: interpreter of the environment that has ModelScope's client.
        programs: the folder on the host that holds the program ``fetch_model``.
    """
    if server.settings.model_path:
        host.noop(f"the owner's own folder {server.model_dir}")
        return
    found = host.get_fact(ModelFolder, path=server.model_dir)
    if not found.problem(server.settings.model, server.settings.revision):
        if not server.serving.verify_models:
            host.noop(f"{server.model_dir} is complete")
            return
        # To verify is to read, and no change: only what is found wrong makes one.
        if not state.is_executing:
            host.log(f"the SHA-256 of each of {len(found.sizes) - 1} files in {server.model_dir} is compared "
                     "when the deploy runs")  # fmt: skip
            return
        if watch(host, _program(server, python, programs, "--check"), f"verifying {server.model_dir}"):
            host.noop(f"{server.model_dir} is verified")
            return
    older = host.get_fact(ModelRevisions, beginnings=server.revisions[:1])
    sources = [each for each in older if each != server.model_dir]
    caches = host.get_fact(ModelScopeCopies, model=server.settings.model)
    more = [word for source in [*sources, *caches] for word in ("--source", source)]
    more += ["--verify"] if server.serving.verify_models else []
    yield watched(_program(server, python, programs, *more), f"downloading {server.settings.model}")


@operation()
def one_revision(*, server: ModelServer, keep: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Remove a model's other revisions. To be called when the wanted one has proven itself.

    Args:
        server: the model; when it is an own folder of the owner's nothing is removed.
        keep: folders of the host's other servers, which may serve another revision of the same model.
    """
    if server.settings.model_path:
        host.noop("the model is in the owner's own folder")
        return
    wanted = {server.model_dir, server.staging_dir, *keep}
    old = [each for each in host.get_fact(ModelRevisions, beginnings=server.revisions) if each not in wanted]
    if not old:
        host.noop(f"there is no other revision of {server.settings.model}")
        return
    yield StringCommand("rm -rf", *map(QuoteString, old))


def _program(server: ModelServer, python: str, programs: str, *more: str) -> StringCommand:
    serving, settings, staging = server.serving, server.settings, server.staging_dir
    arguments = [
        settings.model, "--revision", settings.revision, "--target", server.model_dir, "--staging", staging,
        # The root disk of a rented box is small.
        "--cache", f"{serving.data_dir}/cache/modelscope",
        "--workers", str(serving.download_workers), "--stall-timeout", str(serving.stall_timeout), *more,
    ]  # fmt: skip
    if serving.hub_endpoint:
        arguments += ["--endpoint", serving.hub_endpoint]
    return StringCommand(
        "mkdir -p", QuoteString(staging.rsplit("/", 1)[0]),
        # A download that a killed run began goes on on the host; the lock makes this one wait for it.
        "&& flock", QuoteString(f"{server.revisions[1]}.lock"),
        # -B: compiled files beside the program would look like files that do not belong there.
        "env", QuoteString(f"PYTHONPATH={programs}"), QuoteString(python), "-u -B -m", PROGRAM,
        *map(QuoteString, arguments),
    )  # fmt: skip
