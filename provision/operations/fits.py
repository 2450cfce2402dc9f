"""A second look at whether models fit, when their files are there."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from provision.domain.deployment import ModelServer
from provision.domain.fits import fit_problems
from provision.domain.model_size import known
from provision.domain.packages import packages
from provision.facts.hardware import NvidiaSmi
from provision.facts.model import ModelFolder
from provision.operations.failing import failure
from provision.templates import text


@operation()
def fits(*, servers: Sequence[ModelServer]) -> Generator[StringCommand, None, None]:
    """Refuse to start a model that does not fit: of many a model the size is known only when it lies there.

    Args:
        servers: the models of this host.
    """
    if not state.is_executing:
        host.noop("looked at when the models are there")
        return
    folders = {server.role: host.get_fact(ModelFolder, path=server.model_dir) for server in servers}
    brings = packages(text(servers[0].serving.vllm_requirements))
    found = list(fit_problems(servers, brings, host.get_fact(NvidiaSmi), known(servers, folders)))
    if found:
        yield failure(f"Start the models of {host.name}", "; ".join(found), advice="Nothing was restarted")
        return
    host.noop("the models fit")
