"""The gate: a look at everything that listens on a host. It changes nothing."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from provision.domain.deployment import Deployment
from provision.domain.gate import gate, sockets
from provision.domain.tunnel import NO_BRIDGE
from provision.facts.docker import DockerBridge
from provision.facts.listeners import Listeners, PublishedPorts
from provision.operations.dify_stack import as_it_is, project
from provision.operations.failing import failure
from provision.operations.tunnel import ACCOUNT

STEP = "Nothing public by accident"


@operation()
def only_what_is_declared(*, deployment: Deployment) -> Generator[StringCommand, None, None]:
    """Fail when something of ours is public on this host that no setting declares; report the rest.

    Args:
        deployment: what the settings declare.
    """
    if not state.is_executing:
        host.noop("looked at when the deploy runs")
        return
    listeners = host.get_fact(Listeners)
    if listeners is None:
        yield failure(
            STEP,
            f"{host.name}: what listens here cannot be told, since ss is missing or fails",
            advice="Install iproute2 there and run again",
        )
        return
    published = host.get_fact(PublishedPorts)
    found = sockets(listeners, published)
    bridge = host.get_fact(DockerBridge) or NO_BRIDGE
    # What somebody else has opened by hand is told, like all that is not ours.
    ours = "" if as_it_is(deployment.dify) else project(host, deployment.dify)
    wanted = gate(deployment, host.name, project=ours, bridge=bridge, tunnels=ACCOUNT)
    if others := wanted.others(found):
        host.log(f"public here, and not ours: {', '.join(others)}")
    if problems := list(wanted.problems(found)):
        yield failure(STEP, f"{host.name}: {'; '.join(problems)}", advice="Then run again")
        return
    host.noop("nothing of ours is public that is not declared")
