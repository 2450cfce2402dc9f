"""Models, whole and verified."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation

from provision.domain.deployment import ModelServer
from provision.facts.model import ModelFolder
from provision.operations.watched import watched


@operation()
def model(*, server: ModelServer, python: str, program: str) -> Generator[FunctionCommand, None, None]:
    """Have a model's files lie on the host, complete.

    Args:
        server: the model and where it belongs.
        python: interpreter of the environment that has ModelScope's client.
        program: path of ``fetch_model.py`` on the host.
    """
    found = host.get_fact(ModelFolder, path=server.model_dir)
    if server.settings.model_path:
        host.noop(f"the owner's own folder {server.model_dir}")
        return
    if not found.problem(server.settings.model, server.settings.revision):
        host.noop(f"{server.model_dir} is complete")
        return
    serving = server.serving
    folder = f"{serving.data_dir}/models/.staging"
    staging = f"{folder}/{server.settings.model.replace('/', '--')}"
    arguments = [server.settings.model, "--revision", server.settings.revision]
    arguments += [
        "--target",
        server.model_dir,
        "--staging",
        staging,
        "--workers",
        str(serving.download_workers),
    ]
    if serving.hub_endpoint:
        arguments += ["--endpoint", serving.hub_endpoint]
    yield watched(
        StringCommand(
            # A download that a killed run began goes on on the host; the lock makes this one wait for it.
            "mkdir -p", QuoteString(folder), "&& flock", QuoteString(f"{staging}.lock"),
            # The cache of the client goes to the data disk too; the root disk of a rented box is small.
            "env", QuoteString(f"MODELSCOPE_CACHE={serving.data_dir}/cache/modelscope"),
            QuoteString(python), "-u", QuoteString(program), *map(QuoteString, arguments),
        ),
        f"downloading {server.settings.model}",
    )  # fmt: skip
