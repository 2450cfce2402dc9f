"""A second look at whether models fit, when their files are there."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from provision.domain.deployment import ModelServer
from provision.domain.fits import gpu_problems, length_problem
from provision.domain.model_size import sized
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
    models = {
        server.role: model
        for server in servers
        if (model := sized(server, host.get_fact(ModelFolder, path=server.model_dir)))
    }
    brings = packages(text(servers[0].serving.vllm_requirements))
    lengths = (length_problem(server, models.get(server.role)) for server in servers)
    problems = [problem for problem in lengths if problem]
    problems += gpu_problems(servers, brings, host.get_fact(NvidiaSmi), models)
    if problems:
        yield failure(f"Start the models of {host.name}", "; ".join(problems), advice="Nothing was restarted")
        return
    host.noop("the models fit")
