"""The ports that Dify publishes, looked at where they would clash: on its host, and on Windows around it."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from provision.domain import published
from provision.domain.bootstrap import NO_INTEROP, bootstrap_line
from provision.domain.deployment import Deployment
from provision.domain.port_settings import AUTO
from provision.domain.portproxy import ForeignRuleError, Rule, difference
from provision.domain.published import CHOICES, Holder
from provision.domain.windows_door import TASK_NAME
from provision.facts.docker import NginxPort, Publications
from provision.facts.listeners import Listeners
from provision.facts.windows import (
    DoorSettings,
    IsWsl,
    OwnedRules,
    PortProxyRules,
    TaskRegistered,
    WslAddress,
)
from provision.facts.windows_network import PortsOfWindows, WayToTheLan
from provision.operations.dify_stack import compose_dir


def resolved(deployment: Deployment) -> Deployment:
    """The deployment with a number where ``dify.port`` is "auto"; on other hosts than Dify's, as it is.

    Raises:
        DeployError: no port that "auto" tries is free.
    """
    if host.name != deployment.dify_host or deployment.dify.port != AUTO:
        return deployment
    kept = host.get_fact(NginxPort, folder=compose_dir(deployment.dify))
    found = published.chosen(deployment, kept, _holder(deployment), _allowed(deployment))
    if found is None:
        allowed = _allowed(deployment)
        among = f" that '{TASK_NAME}' may open ({', '.join(map(str, allowed))})" if allowed else ""
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
    if wsl and host.get_fact(PortsOfWindows) is None:
        yield f"Windows' netstat.exe does not run from here, to look at its ports with. {NO_INTEROP}"
        return
    yield from published.clashes(dify, _holder(deployment), _allowed(deployment))
    if not wsl or dify.lan_access is None:
        return
    ports = published.lan_ports(dify)
    if not host.get_fact(TaskRegistered, task=TASK_NAME):
        yield (
            f"Windows has no task that opens ports for us. {bootstrap_line(ports)}, "
            "or set dify.lan_access to None"
        )
    elif refused := sorted({*ports} - {*(_allowed(deployment) or [])}):
        yield (
            f"the administrator of Windows has not allowed port {', '.join(map(str, refused))}. "
            f"{bootstrap_line(refused)}"
        )
    yield from _foreign_rules(ports)


def _foreign_rules(ports: list[int]) -> Iterator[str]:
    if not host.get_fact(WayToTheLan).forwards:
        return
    for port in ports:
        wanted = [Rule("0.0.0.0", port, host.get_fact(WslAddress) or "", port)]  # noqa: S104 - Windows' spelling
        try:
            difference(host.get_fact(PortProxyRules) or [], wanted, host.get_fact(OwnedRules))
        except ForeignRuleError as error:
            yield str(error)


def _holder(deployment: Deployment) -> Holder:
    """Who has a port, of the Dify host or of Windows around it."""
    dify = deployment.dify
    containers = host.get_fact(Publications)
    own = published.ours(containers, compose_dir(dify))
    here = published.linux_holder(host.get_fact(Listeners) or (), containers, own)
    windows = host.get_fact(PortsOfWindows) if host.get_fact(IsWsl) else None
    if windows is None:
        return here
    forwarded = published.lan_ports(dify) if host.get_fact(WayToTheLan).forwards else []

    def there(port: int) -> str | None:
        # What our containers publish already is theirs on Windows, too (by Docker Desktop or WSL's relay);
        # only a port that Windows itself listens on for them can be lost to somebody else.
        return None if port in own and port not in forwarded else windows.holder(port)

    return published.either(here, there)


def _allowed(deployment: Deployment) -> list[int] | None:
    """Ports that the door may open, where it is needed and there."""
    if deployment.dify.lan_access is None or not host.get_fact(IsWsl):
        return None
    if not host.get_fact(TaskRegistered, task=TASK_NAME):
        return None
    settings = host.get_fact(DoorSettings)
    return sorted(settings.allowed_ports) if settings else []
