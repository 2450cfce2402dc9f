"""The ports that Dify publishes, looked at where they would clash: on its host, and on Windows around it."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from provision.domain import published
from provision.domain.addresses import EVERYWHERE
from provision.domain.bootstrap import NO_INTEROP, bootstrap_line
from provision.domain.deployment import Deployment
from provision.domain.dify_env import published_port
from provision.domain.port_settings import AUTO
from provision.domain.portproxy import Rule, foreign
from provision.domain.published import CHOICES, Holder
from provision.domain.settings import DifySettings
from provision.domain.windows_door import TASK_NAME
from provision.facts.docker import NginxVariables
from provision.facts.listeners import Listeners, PublishedPorts
from provision.facts.windows import (
    DoorSettings,
    IsWsl,
    OwnedRules,
    PortProxyRules,
    TaskRegistered,
    WslAddress,
)
from provision.facts.windows_network import PortsOfWindows
from provision.operations.dify_stack import compose_dir
from provision.operations.windows import way_to_the_lan
from provision.operations.windows_door import UNREADABLE_SETTINGS
from tasks.adoption import adopted


def resolved(deployment: Deployment, *, replaced: bool = False) -> Deployment:
    """The deployment as it is on Dify's host: with the folder and the ports of a Dify that somebody set up by
    hand, or with a number where ``dify.port`` is "auto".

    Args:
        replaced: the Dify that is there is going to be, by a backup.

    Raises:
        DeployError: no port that "auto" tries is free, or there is a Dify that cannot be gone on with.
    """
    if host.name != deployment.dify_host:
        return deployment
    deployment = adopted(deployment, replaced=replaced)
    if deployment.dify.port != AUTO:
        return deployment
    kept = published_port(_variables(deployment.dify))
    allowed = _allowed(deployment)
    found = published.chosen(deployment, kept, _holder(deployment, wanted=[]), allowed)
    if found is None:
        listed = ", ".join(map(str, allowed or [])) or "none"
        among = "" if allowed is None else f" that '{TASK_NAME}' may open ({listed})"
        raise DeployError(
            f"{host.name}: dify.port = 'auto': no port of {CHOICES[0]}, {CHOICES[1]}, {CHOICES[2]} to "
            f"{CHOICES[-1]}{among} is free; end what has them, or set dify.port to another"
        )
    return found


def port_problems(deployment: Deployment) -> Iterator[str]:
    """What keeps Dify's containers, or Windows for them, from their ports."""
    if host.name != deployment.dify_host:
        return
    dify = deployment.dify
    wsl = host.get_fact(IsWsl)
    if wsl:
        for name, asked in (("netstat.exe", PortsOfWindows), ("reg.exe", PortProxyRules)):
            if host.get_fact(asked) is None:
                yield f"Windows' {name} does not run from here, to look at its ports with. {NO_INTEROP}"
                return
    allowed = _allowed(deployment)
    yield from published.clashes(dify, _holder(deployment, _own_rules(dify)), allowed)
    if not wsl or dify.lan_access is None:
        return
    ports = lan_ports(dify)
    if not host.get_fact(TaskRegistered, task=TASK_NAME):
        yield (
            f"Windows has no task that opens ports for us. {bootstrap_line(ports)}, "
            "or set dify.lan_access to None"
        )
    elif allowed is None:
        yield f"{UNREADABLE_SETTINGS}. {bootstrap_line(ports)}"
    elif refused := sorted({*ports} - {*allowed}):
        yield (
            f"the administrator of Windows has not allowed port {', '.join(map(str, refused))}. "
            f"{bootstrap_line(refused)}"
        )


def lan_ports(dify: DifySettings) -> list[int]:
    """The ports that people on the LAN need of the Dify on this host."""
    return published.lan_ports(dify, _variables(dify))


def _variables(dify: DifySettings) -> dict[str, str]:
    return host.get_fact(NginxVariables, folder=compose_dir(dify))


def _own_rules(dify: DifySettings) -> list[Rule]:
    """The port proxy rules that the published ports could have: from an owner, such a one is welcome."""
    address = host.get_fact(WslAddress)
    if not address or not way_to_the_lan().forwards:
        return []
    return [Rule(EVERYWHERE, port, address, port) for port in published.published(dify).values()]


def _holder(deployment: Deployment, wanted: list[Rule]) -> Holder:
    """Who has a port, of the Dify host or of Windows around it.

    Args:
        wanted: port proxy rules that take no port from us, whoever made them.
    """
    dify = deployment.dify
    containers = host.get_fact(PublishedPorts)
    own = published.ours(containers, compose_dir(dify))
    here = published.linux_holder(host.get_fact(Listeners) or (), containers, own)
    windows = host.get_fact(PortsOfWindows) if host.get_fact(IsWsl) else None
    if windows is None:
        return here
    rules = host.get_fact(PortProxyRules) or []
    others = foreign(rules, wanted, host.get_fact(OwnedRules))
    listening = {rule.listen_port for rule in rules}
    forwarded = lan_ports(dify) if way_to_the_lan().forwards else []

    def there(port: int) -> str | None:
        # What our containers publish already is theirs on Windows, too (by Docker Desktop or WSL's relay);
        # only a port that Windows itself listens on for them can be lost to somebody else.
        return None if port in own and port not in forwarded else windows.holder(port, listening)

    return published.either(here, published.rule_holder(others), there)


def _allowed(deployment: Deployment) -> list[int] | None:
    """Ports that the door may open; ``None`` where it is not needed, is not there, or cannot be asked."""
    if deployment.dify.lan_access is None or not host.get_fact(IsWsl):
        return None
    if not host.get_fact(TaskRegistered, task=TASK_NAME):
        return None
    settings = host.get_fact(DoorSettings)
    return sorted(settings.allowed_ports) if settings else None
