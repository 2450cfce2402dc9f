"""The ports that Dify publishes: which they are, who has them already, which are free."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from provision.domain.deployment import Deployment, with_port
from provision.domain.dify_env import has_https
from provision.domain.listeners import WILDCARDS, Listener, Published
from provision.domain.port_settings import AUTO
from provision.domain.portproxy import Rule
from provision.domain.settings import DifySettings

Holder = Callable[[int], str | None]
"""Who has a port, in words for people; ``None`` when it is free."""

# What `port = "auto"` tries, in this order.
CHOICES = (80, 81, *range(8081, 8181))


def published(dify: DifySettings) -> dict[str, int]:
    """Setting to port, of every port that Dify's containers publish."""
    ports = {"dify.port": dify.port, "dify.ssl_port": dify.ssl_port}
    if dify.plugin_debugging_port is not None:
        ports["dify.plugin_debugging_port"] = dify.plugin_debugging_port
    return ports


def lan_ports(dify: DifySettings, variables: Mapping[str, str]) -> list[int]:
    """The ports that people on the LAN need; 443 answers only where HTTPS was switched on.

    Args:
        variables: what Dify's ``.env`` says on its host; ``dify.env`` is written over it.
    """
    ports = published(dify)
    if dify.lan_access is None:
        return []
    if not has_https({**variables, **dify.env}):
        del ports["dify.ssl_port"]
    return sorted(ports.values())


def ours(found: Iterable[Published], folder: str) -> frozenset[int]:
    """Ports that the Dify of a compose folder publishes now."""
    return frozenset(each.port for each in found if each.folder == folder and each.protocol == "tcp")


def linux_holder(found: Iterable[Listener], containers: Iterable[Published], own: Collection[int]) -> Holder:
    """Who has a port of the Dify host itself.

    Args:
        found: its listeners.
        containers: what its running containers publish.
        own: ports that our running Dify publishes; they are free for it.
    """
    listeners = [each for each in found if each.protocol == "tcp"]
    named = {each.port: each.container for each in containers if each.protocol == "tcp"}

    def holder(port: int) -> str | None:
        if port in own:
            return None
        if port in named:
            return f"the container {named[port]}"
        for listener in listeners:
            if listener.port == port and not listener.address.startswith("["):
                where = "" if listener.address in WILDCARDS else f" on {listener.address}"
                return f"{listener.process}{where}"
        return None

    return holder


def rule_holder(foreign: Iterable[Rule]) -> Holder:
    """Who has a port of Windows by a port proxy rule, whatever address of Windows that listens on.

    Args:
        foreign: rules that others have made.
    """
    return {
        rule.listen_port: f"the port proxy rule {rule} of Windows, not made by this deploy ({rule.removal}),"
        for rule in foreign
    }.get


def either(*holders: Holder) -> Holder:
    """Free only where all of them say so."""
    return lambda port: next((who for holder in holders if (who := holder(port))), None)


def clashes(dify: DifySettings, holder: Holder, allowed: Collection[int] | None) -> Iterator[str]:
    """Published ports that somebody else has.

    Args:
        dify: with a number as its port.
        holder: who has a port.
        allowed: ports that the elevated door of Windows may open; ``None`` without a door.
    """
    ports = published(dify)
    for setting, port in ports.items():
        if who := holder(port):
            others = CHOICES if setting == "dify.port" else range(port + 1, port + 100)
            free = [each for each in others if each not in ports.values() and not holder(each)]
            best = next((each for each in free if allowed and each in allowed), next(iter(free), None))
            advice = f"set {setting} to a free one, such as {best}" if best else f"set {setting} to another"
            yield f"{setting} = {port}: {who} has this port; end that, or {advice}"


def chosen(
    deployment: Deployment, kept: int | None, holder: Holder, allowed: Collection[int] | None
) -> Deployment | None:
    """The deployment with a number where ``dify.port`` is "auto"; ``None`` when no port is free.

    Args:
        deployment: with any port.
        kept: the choice of an earlier run, as Dify's ``.env`` holds it: it stays, since links hold it.
        holder: who has a port now.
        allowed: as for :func:`clashes`: what cannot be opened is not chosen.
    """
    if deployment.dify.port != AUTO:
        return deployment
    if kept is not None:
        return with_port(deployment, kept)
    taken = {port for server in deployment.on(deployment.dify_host)
             for port in (server.settings.listen_port, server.settings.vllm_port)}  # fmt: skip
    taken |= {server.tunnel.port for server in deployment.servers.values() if server.tunnel}
    taken |= set(published(deployment.dify).values())
    for port in CHOICES:
        if port not in taken and (allowed is None or port in allowed) and not holder(port):
            return with_port(deployment, port)
    return None
