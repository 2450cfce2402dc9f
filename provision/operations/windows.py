"""Changes on the Windows machine around a WSL distribution; all of them go through its elevated door."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial

from pydantic import ValidationError
from pyinfra import host, logger, state
from pyinfra.api import Host, operation

from provision.domain import firewall, portproxy, windows_door
from provision.domain.bootstrap import NO_INTEROP
from provision.domain.firewall import Opening
from provision.domain.portproxy import ForeignRuleError, Rule
from provision.domain.wsl_network import Way, way
from provision.facts.docker import DockerDesktop
from provision.facts.windows import DRIVE, OwnedRules, PortProxyRules, WslAddress
from provision.facts.windows_network import FirewallRules, IgnoringProfiles, NetworkingMode
from provision.operations.failing import failure
from provision.operations.windows_door import Commands, ask

FORWARD = "Forward ports of Windows"
LET_IN = "Let the LAN through Windows' firewall"


def way_to_the_lan() -> Way:
    """How ports of this distribution get to the LAN, as far as its engine and its network tell now."""
    return way(host.get_fact(DockerDesktop), host.get_fact(NetworkingMode))


@operation()
def port_proxy(
    *,
    forwards: Mapping[int, int],
    listen_address: str = "0.0.0.0",  # noqa: S104 - the LAN is to reach it
    connect_address: str | None = None,
    drive: str = DRIVE,
    timeout: int = 120,
) -> Commands:
    """Have Windows forward TCP ports to the distribution, and no others that an earlier run has set.

    Only for a host with the fact ``IsWsl``. Rules of ours on other ports are stale and go; rules of others
    stay. Nothing is forwarded where ports get to the LAN in another way, which is looked at here and not
    before, since an earlier operation may have installed the engine that decides it.

    Args:
        forwards: port of Windows, which the administrator allowed when the door was built, to port in the
            distribution; empty to forward nothing.
        listen_address: an IPv4 address of Windows, ``0.0.0.0`` for all of them.
        connect_address: of the distribution; ``None`` finds the present one.
        drive: where drive C: is mounted in the distribution.
        timeout: seconds that the door gets to answer.
    """
    if forwards:
        found = way_to_the_lan()
        if state.is_executing:
            host.log(found.value)
        if not found.forwards:
            forwards = {}
    owned = host.get_fact(OwnedRules, drive=drive)
    if not forwards and not owned:
        host.noop("no rule of ours")
        return
    target = connect_address or host.get_fact(WslAddress)
    if forwards and target is None:
        yield failure(
            FORWARD, f"{host.name} has no IPv4 address on eth0", advice="Look at `ip address` there"
        )
        return
    current = host.get_fact(PortProxyRules, drive=drive)
    if current is None:
        yield failure(FORWARD, f"{host.name} cannot run Windows' reg.exe under {drive}", advice=NO_INTEROP)
        return
    wanted = [Rule(listen_address, listen, target or "", connect) for listen, connect in forwards.items()]
    try:
        change = portproxy.difference(current, wanted, owned)
        request = windows_door.Request(
            nonce=secrets.token_hex(16), port_proxy=[windows_door.RequestedRule.of(rule) for rule in wanted]
        )
    except ForeignRuleError as error:
        yield failure(FORWARD, str(error), advice="Then run this deploy again")
        return
    except ValidationError:
        yield failure(
            FORWARD, f"{', '.join(map(str, wanted))} is no rule", advice="Addresses have to be IPv4"
        )
        return
    if not change:
        host.noop(f"Windows forwards {', '.join(map(str, wanted)) or 'nothing of ours'}")
        return
    yield from ask(FORWARD, request, partial(_rules_lack, wanted, owned, drive), drive=drive, timeout=timeout)


def _rules_lack(wanted: Sequence[Rule], owned: frozenset[str], drive: str, host: Host) -> str:
    """What is still to be changed of the rules, those included that were ours before."""
    current = host.get_fact(PortProxyRules, drive=drive)
    try:
        left = portproxy.difference(current or [], wanted, owned)
    except ForeignRuleError as error:
        return str(error)
    told = [f"Windows has no rule {rule}" for rule in left.missing]
    return ", ".join(told + [f"Windows still has the rule {rule}" for rule in left.stale])


@operation()
def let_in(*, openings: Sequence[Opening], drive: str = DRIVE, timeout: int = 120) -> Commands:
    """Have Windows' firewall let others in on these TCP ports, and on no others by a rule of ours.

    Only for a host with the fact ``IsWsl``. The firewall itself stays as it is, and so do rules of others;
    copies under the name of ours go.

    Args:
        openings: one for each port; empty to let nobody in.
        drive: where drive C: is mounted in the distribution.
        timeout: seconds that the door gets to answer.
    """
    current = host.get_fact(FirewallRules, drive=drive)
    if current is None:
        if openings:
            yield failure(
                LET_IN, f"{host.name} cannot read Windows' firewall rules under {drive}", advice=NO_INTEROP
            )
        else:
            host.noop("no rule of ours")
        return
    ignoring = {*host.get_fact(IgnoringProfiles, drive=drive)}
    for opening in openings:
        if ignored := sorted(ignoring.intersection(opening.profiles)):
            logger.warning(
                f"{host.print_prefix}a group policy has Windows ignore local firewall rules on networks of "
                f"profile {', '.join(ignored)}; who made it must allow {opening} there"
            )
    if not firewall.difference(current, openings):
        host.noop(f"Windows lets in {'; '.join(map(str, openings)) or 'nobody by a rule of ours'}")
        return
    request = windows_door.Request(
        nonce=secrets.token_hex(16), firewall=[windows_door.RequestedOpening.of(each) for each in openings]
    )
    yield from ask(LET_IN, request, partial(_firewall_lacks, openings, drive), drive=drive, timeout=timeout)


def _firewall_lacks(openings: Sequence[Opening], drive: str, host: Host) -> str:
    current = host.get_fact(FirewallRules, drive=drive)
    left = firewall.difference(current or {}, openings)
    return f"Windows' firewall still differs: {left}" if left else ""
