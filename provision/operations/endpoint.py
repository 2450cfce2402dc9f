"""Proof that models answer. Proving is not changing: nothing is done when the answer is right."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host, inventory, logger, state
from pyinfra.api import StringCommand, operation

from provision import progress
from provision.connectors.relay import http_client
from provision.domain.deployment import ModelServer
from provision.domain.secrets import api_key_name
from provision.domain.tunnel import reason
from provision.endpoint import EndpointError, NotYetError, prove
from provision.facts.model import ModelFolder
from provision.facts.service import ServiceLog
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.dify_stack import API_CONTAINER
from provision.operations.failing import failure
from provision.operations.tunnel import tunnel_dir, tunnel_service
from provision.operations.vllm import service_dir, service_name

ANYWHERE = "0.0.0.0"  # noqa: S104 - compared, never bound

Commands = Generator[StringCommand, None, None]


@operation()
def served(*, server: ModelServer) -> Commands:
    """Wait until the model answers behind its gateway, on its own host.

    Args:
        server: the model; its ``serving.start_timeout`` bounds the wait, in seconds.
    """
    if not state.is_executing:
        host.noop("proven when the deploy runs")
        return
    address = server.listen_address
    prefix = f"http://{'127.0.0.1' if address == ANYWHERE else address}:{server.settings.listen_port}/v1"
    width = _width(server)
    try:
        with http_client(host, prefix) as client:
            client.headers["Authorization"] = f"Bearer {secret(api_key_name(server.role))}"
            proof = progress.wait_for(
                f"{server.settings.served_name} to answer",
                lambda: prove(client, server, prefix=prefix, width=width),
                errors=NotYetError,
                timeout=server.serving.start_timeout,
            )
    except (EndpointError, KeeperUnavailableError) as error:
        yield _last_log_lines(server)
        yield failure(f"Prove {server.role}", str(error), advice="The lines above are the end of vLLM's log")
        return
    host.noop(proof)


@operation()
def reachable(*, server: ModelServer) -> Commands:
    """Prove an endpoint from inside Dify, by the very URL that Dify will use.

    From inside a container of Dify's, because names such as ``host.docker.internal`` and the routes of the
    Docker bridge exist only there. A failure is remembered, not raised: what was proven is wired all the
    same, and the run's last operation reports the rest. A tunnel that was just opened is given a minute.

    Args:
        server: the model.
    """
    if not state.is_executing:
        host.noop("proven when the deploy runs")
        return
    width = _width(server)
    opening = server.tunnel and inventory.get_host(server.host) not in state.failed_hosts
    try:
        with http_client(host, server.endpoint, container=API_CONTAINER) as client:
            client.headers["Authorization"] = f"Bearer {secret(api_key_name(server.role))}"
            proof = progress.wait_for(
                f"{server.settings.served_name} to answer through the tunnel",
                lambda: prove(client, server, prefix=server.endpoint, width=width),
                errors=NotYetError,
                timeout=60 if opening else 0,
            )
            host.noop(proof)
    except (EndpointError, KeeperUnavailableError) as error:
        why = _tunnel_trouble(server) if isinstance(error, NotYetError) else None
        progress.not_done[server.role] = f"{server.role} on {server.host} is not wired: {error}" + (
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
    if not progress.not_done:
        host.noop("everything is done")
        return
    reasons = "; ".join(progress.not_done.values())
    yield failure("Not done", reasons, advice="Put it right and run again; the rest is in place")


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


def _last_log_lines(server: ModelServer) -> StringCommand:
    log = ServiceLog().command(service_name(server, "vllm"), service_dir(server, "vllm"))
    return StringCommand("{", log, "; } >&2")
