"""Changes on the Windows machine around a WSL distribution; all of them go through its elevated door."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterable, Sequence
from io import StringIO

from pydantic import ValidationError
from pyinfra import host, logger
from pyinfra.api import FileUploadCommand, FunctionCommand, Host, QuoteString, State, StringCommand, operation

from provision.domain import windows_door
from provision.domain.portproxy import ForeignRuleError, Rule, difference
from provision.facts.windows import (
    DRIVE,
    DoorRegistered,
    DoorResult,
    DoorSettings,
    OwnedRules,
    PortProxyRules,
    WslAddress,
    program,
)
from provision.operations.failing import failure

STEP = "Forward ports of Windows"
POLL_SECONDS = 0.5

Commands = Generator[StringCommand | FileUploadCommand | FunctionCommand, None, None]


@operation()
def port_proxy(
    *,
    listen_port: int,
    connect_port: int,
    listen_address: str = "0.0.0.0",  # noqa: S104 - the LAN is to reach it
    connect_address: str | None = None,
    drive: str = DRIVE,
    timeout: int = 30,
) -> Commands:
    """Have Windows forward one TCP port to the distribution, and no other port that an earlier run has set.

    Only for a host with the fact ``IsWsl``. Windows forwards nothing else for this deploy: a rule of ours on
    another port is stale and goes.

    Args:
        listen_port: on Windows; the administrator has allowed it when the door was built.
        connect_port: in the distribution.
        listen_address: an IPv4 address of Windows, ``0.0.0.0`` for all of them.
        connect_address: of the distribution; ``None`` finds the present one.
        drive: where drive C: is mounted in the distribution.
        timeout: seconds that the door gets to answer.
    """
    target = connect_address or host.get_fact(WslAddress)
    if target is None:
        yield failure(
            STEP,
            f"{host.name} has no IPv4 address on eth0",
            advice="With mirrored networking no rule is needed; otherwise look at `ip address` there",
        )
        return
    yield from _have_rules(
        [Rule(listen_address, listen_port, target, connect_port)], drive=drive, timeout=timeout
    )


@operation()
def no_port_proxy(*, drive: str = DRIVE, timeout: int = 30) -> Commands:
    """Have Windows forward nothing of what an earlier run has set; rules of others stay.

    Args:
        drive: where drive C: is mounted in the distribution.
        timeout: seconds that the door gets to answer.
    """
    if host.get_fact(OwnedRules, drive=drive):
        yield from _have_rules([], drive=drive, timeout=timeout)
    else:
        host.noop("no rule of ours")


def _have_rules(wanted: Sequence[Rule], *, drive: str, timeout: int) -> Commands:
    """Bring Windows' port proxy to the whole set of rules that the deploy wants."""
    current = host.get_fact(PortProxyRules, drive=drive)
    if current is None:
        yield failure(
            STEP,
            f"{host.name} cannot run Windows' reg.exe under {drive}",
            advice="WSL's interop and automount have to be on (/etc/wsl.conf); `wsl --shutdown` repairs most",
        )
        return
    owned = host.get_fact(OwnedRules, drive=drive)
    try:
        change = difference(current, wanted, owned)
    except ForeignRuleError as error:
        yield failure(STEP, str(error), advice="Then run this deploy again")
        return
    if not change:
        host.noop(f"Windows forwards {', '.join(map(str, wanted))}")
        return
    ports = sorted({rule.listen_port for rule in wanted})
    if not host.get_fact(DoorRegistered, drive=drive):
        yield failure(
            STEP,
            f"{host.name} finds no scheduled task '{windows_door.TASK_NAME}' on Windows",
            advice=build_door(ports),
        )
        return
    settings = host.get_fact(DoorSettings, drive=drive)
    allowed = settings.allowed_ports if settings else []
    try:
        windows_door.check_ports(ports, allowed_ports=allowed)
        request = windows_door.Request(
            nonce=secrets.token_hex(16), port_proxy=[windows_door.RequestedRule.of(rule) for rule in wanted]
        )
    except windows_door.DoorRefusedError as error:
        yield failure(STEP, str(error), advice=build_door([*allowed, *ports]))
        return
    except ValidationError:
        yield failure(STEP, f"{', '.join(map(str, wanted))} is no rule", advice="Addresses have to be IPv4")
        return
    yield FileUploadCommand(StringIO(request.model_dump_json() + "\n"), f"{drive}/{windows_door.REQUEST}")
    yield StringCommand(
        # Its own words are in the code page of Windows, which would not survive the way here.
        program(drive, "schtasks.exe"), "/run /tn", QuoteString(windows_door.TASK_NAME),
        "</dev/null >/dev/null 2>&1 || {",
        failure(STEP, f"Windows does not start '{windows_door.TASK_NAME}'", advice=build_door(allowed)),
        "; }",
    )  # fmt: skip
    yield FunctionCommand(_await_door, (request.nonce, wanted, drive, timeout), {})


def build_door(ports: Iterable[int]) -> str:
    listed = ",".join(map(str, sorted(set(ports))))
    return (
        "Run once on Windows, as administrator: powershell -ExecutionPolicy Bypass -File "
        rf"bootstrap\windows.ps1 -AllowedPorts {listed}"
    )


def _await_door(
    state: State,  # noqa: ARG001 - pyinfra heeds the answer only of functions that take both
    host: Host,
    nonce: str,
    wanted: Sequence[Rule],
    drive: str,
    timeout: int,
) -> bool:
    """Wait for the door's answer to one request, then believe the registry only.

    The task runs in the background: that it was started says nothing of what it did.
    """
    deadline = time.monotonic() + timeout
    result = None
    while time.monotonic() < deadline:
        result = host.get_fact(DoorResult, drive=drive)
        if result is not None and result.nonce == nonce:
            break
        time.sleep(POLL_SECONDS)
    else:
        _complain(host, f"the door has not answered within {timeout} s; its task's last run result tells why")
        return False
    current = host.get_fact(PortProxyRules, drive=drive) or []
    if result.ok and set(wanted) <= set(current):
        return True
    _complain(
        host, result.message or f"Windows has no rule {', '.join(map(str, set(wanted) - set(current)))}"
    )
    return False


def _complain(host: Host, found: str) -> None:
    host.log_styled(f"{STEP}: {host.name}: {found}", fg="red", log_func=logger.error)
