"""Proof that models answer. Proving is not changing: nothing is done when the answer is right."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host, inventory, logger, state
from pyinfra.api import StringCommand, operation

from provision import progress
from provision.connectors.relay import http_client
from provision.domain.addresses import EVERYWHERE, LOOPBACK_ADDRESS
from provision.domain.deployment import Deployment, ModelServer
from provision.domain.secrets import api_key_name
from provision.domain.settings import DifySettings
from provision.domain.tunnel import reason
from provision.endpoint import (
    AnotherModelError,
    EndpointError,
    NoConnectionError,
    NotYetError,
    Proof,
    names,
    prove,
    prove_kind,
)
from provision.facts.containers import ContainerPython
from provision.facts.model import ModelFolder
from provision.facts.service import ServiceLog
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.dify_stack import container
from provision.operations.failing import failure
from provision.operations.tunnel import tunnel_dir, tunnel_service
from provision.operations.vllm import service_dir, service_name

Commands = Generator[StringCommand, None, None]


@operation()
def served(*, server: ModelServer) -> Commands:
    """Wait until the model answers behind its gateway, on its own host, and is what its role needs.

    Args:
        server: the model; its ``serving.start_timeout`` bounds the wait, in seconds.
    """
    if not state.is_executing:
        host.noop("proven when the deploy runs")
        return
    address = server.listen_address
    near = LOOPBACK_ADDRESS if address == EVERYWHERE else address
    prefix = f"http://{near}:{server.settings.listen_port}/v1"
    width = _width(server)

    def answer() -> Proof:
        prove_kind(vllm, server)
        return prove(gateway, server, prefix=prefix, width=width)

    try:
        with http_client(host, prefix) as gateway, http_client(host, f"http://{LOOPBACK_ADDRESS}") as vllm:
            gateway.headers["Authorization"] = f"Bearer {secret(api_key_name(server.role))}"
            proof = progress.wait_for(
                f"{server.settings.served_name} to answer",
                answer,
                errors=NotYetError,
                timeout=server.serving.start_timeout,
            ).summary
    except (EndpointError, KeeperUnavailableError) as error:
        # Even where another could reach it: an embedding model in a cross-encoder's place ranks texts too.
        progress.not_done[server.role] = f"{server.role} on {server.host} is not wired: {error}"
        told = failure(
            f"Prove {server.role} on {server.host}",
            str(error),
            advice="The lines above are the end of vLLM's log",
        )
        yield _after_the_log(server, told)
        return
    host.noop(proof)


@operation()
def reachable(*, server: ModelServer, deployment: Deployment) -> Commands:
    """Prove an endpoint from inside Dify, by the very URL that Dify will use.

    From inside the container that will call it, because names such as ``host.docker.internal`` and the
    routes of the Docker bridge exist only there. A failure is remembered, not raised: what was proven is
    wired all the same, and the run's last operation reports the rest. A tunnel that was just opened is given
    a minute. What the endpoint says of itself is kept for what Dify is told of it.

    Args:
        server: the model.
        deployment: the other models, should one of them be found there instead.
    """
    if not state.is_executing:
        host.noop("proven when the deploy runs")
        return
    if server.role in progress.not_done:
        host.noop("not proven on its own host")
        return
    width = _width(server)
    caller = ""
    opening = server.tunnel and inventory.get_host(server.host) not in state.failed_hosts
    try:
        caller = caller_of(deployment.dify)
        with http_client(host, server.endpoint, container=caller) as client:
            client.headers["Authorization"] = f"Bearer {secret(api_key_name(server.role))}"
            proof = progress.wait_for(
                f"{server.settings.served_name} to answer through the tunnel",
                lambda: prove(client, server, prefix=server.endpoint, width=width),
                errors=NotYetError,
                timeout=60 if opening else 0,
            )
        progress.context_sizes[server.role] = proof.context_size
        if proof.thinks:
            progress.thinking.add(server.role)
        host.noop(proof.summary)
    except (EndpointError, KeeperUnavailableError) as error:
        why = _tunnel_trouble(server) if isinstance(error, NoConnectionError) else None
        found = _mixed_up(error, server, deployment, caller) if isinstance(error, AnotherModelError) else None
        progress.not_done[server.role] = f"{server.role} on {server.host} is not wired: {found or error}" + (
            f" ({why})" if why else ""
        )
        logger.warning(f"{host.print_prefix}{progress.not_done[server.role]}")
    return
    yield


@operation()
def complete() -> Commands:
    """Fail when something could not be done, and say what."""
    for remark in progress.remarks:
        logger.warning(f"{host.print_prefix}{remark}")
    failed = sorted(each.name for each in state.failed_hosts)
    reasons = "; ".join([*progress.not_done.values(), *(f"{name} failed, see above" for name in failed)])
    if not reasons:
        host.noop("everything is done")
        return
    yield failure("Not done", reasons, advice="Put it right and run again; the rest is in place")


def _mixed_up(
    error: AnotherModelError, server: ModelServer, deployment: Deployment, caller: str
) -> str | None:
    """Whose endpoint it is instead, when it is that of another model of ours."""
    others = (other for other in deployment.servers.values() if other.role != server.role)
    other = next((other for other in others if other.settings.served_name in error.names), None)
    if not other:
        return None
    mine, its = f"{server.role}.endpoint", f"{other.role}.endpoint"
    # Without a key: nobody but its own model is shown one.
    with http_client(host, other.endpoint, container=caller) as client:
        swapped = server.settings.served_name in names(client, other.endpoint)
    what_to_do = (
        f"the endpoints of {server.role} and {other.role} are swapped: exchange {mine} and {its}"
        if swapped
        else f"set {mine} to where {server.host} is reached"
    )
    name = other.settings.served_name
    return f"{server.endpoint} is {name}, the {other.role} model of {other.host}; {what_to_do}"


def caller_of(dify: DifySettings) -> str:
    """The container that requests to models and tools leave from: the one whose plugins make them.

    Where its image has no Python, one of the same networks stands in for it.

    Raises:
        EndpointError: it does not run.
    """
    caller = container(host, dify, "plugin_daemon")
    found = host.get_fact(ContainerPython, container=caller)
    if found is None:
        raise EndpointError(
            f"the container {caller}, which calls the models for Dify, does not run; see "
            "docker compose logs plugin_daemon"
        )
    return caller if found else container(host, dify, "api")


def _width(server: ModelServer) -> int | None:
    """The width of an embedding model's vectors, from its configuration; unknown when its host is away."""
    if server.role != "embed":
        return None
    model_host = inventory.get_host(server.host)
    if model_host in state.failed_hosts or not model_host.connected:
        return None
    width = model_host.get_fact(ModelFolder, path=server.model_dir).config.get("hidden_size")
    return width if isinstance(width, int) else None


def _tunnel_trouble(server: ModelServer) -> str | None:
    """What the tunnel itself complains of."""
    if not server.tunnel:
        return None
    service, directory = tunnel_service(server.role), tunnel_dir(server.role)
    log = host.get_fact(ServiceLog, service=service, directory=directory)
    return reason(log, server.tunnel, server.role)


def _after_the_log(server: ModelServer, told: StringCommand) -> StringCommand:
    """One command: pyinfra shows only what the failing one has printed."""
    log = ServiceLog().command(service_name(server, "vllm"), service_dir(server, "vllm"))
    return StringCommand("{", log, "; } >&2;", told)
