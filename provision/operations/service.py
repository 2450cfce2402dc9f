"""Long-running programs under systemd or supervisord."""

from __future__ import annotations

from collections.abc import Generator
from io import StringIO

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.operations import files

from provision.domain.service import Service
from provision.facts.init import Systemd
from provision.facts.service import ServiceStatus, SupervisordRuns, SupervisorProgram, SystemdService
from provision.templates import render

SUPERVISOR = "/etc/dify-vllm-deploy/supervisor"
SUPERVISOR_CONFIGURATION = f"{SUPERVISOR}/supervisord.conf"

Commands = Generator[StringCommand | FileUploadCommand, None, None]


@operation()
def supervisord() -> Commands:
    """Have our own supervisord run; on a host without systemd nothing else would start it."""
    yield from files.directory._inner(path=f"{SUPERVISOR}/conf.d", mode="755")
    configuration = StringIO(render("supervisord.conf.j2", directory=SUPERVISOR))
    yield from files.put._inner(src=configuration, dest=SUPERVISOR_CONFIGURATION, mode="644")
    if host.get_fact(SupervisordRuns, configuration=SUPERVISOR_CONFIGURATION):
        host.noop("supervisord runs")
    else:
        yield StringCommand("supervisord -c", QuoteString(SUPERVISOR_CONFIGURATION))


@operation()
def service(*, service: Service) -> Commands:
    """Have a program run exactly as described, restarted only when it runs otherwise.

    Args:
        service: the description, see :class:`provision.domain.service.Service`.
    """
    yield from running(service)


def running(wanted: Service) -> Commands:
    """The commands of :func:`service`, for operations that make the description themselves."""
    yield from files.directory._inner(path=wanted.directory, user=wanted.user, mode="755")
    yield from files.put._inner(src=StringIO(wanted.launcher_script()), dest=wanted.launcher, mode="755")
    yield from _under_systemd(wanted) if host.get_fact(Systemd) else _under_supervisord(wanted)


def _under_systemd(wanted: Service) -> Commands:
    unit = f"{wanted.name}.service"
    text = StringIO(render("systemd.service.j2", service=wanted))
    yield from files.put._inner(src=text, dest=f"/etc/systemd/system/{unit}", mode="644")
    status = host.get_fact(SystemdService, unit=unit, directory=wanted.directory)
    if status.stale or not status.enabled:
        yield StringCommand("systemctl daemon-reload")
    if not status.enabled:
        yield StringCommand("systemctl enable --quiet", QuoteString(unit))
    if not _as_wanted(status, wanted):
        yield StringCommand("systemctl restart", QuoteString(unit))


def _under_supervisord(wanted: Service) -> Commands:
    text = StringIO(render("supervisor_program.conf.j2", service=wanted))
    yield from files.put._inner(src=text, dest=f"{SUPERVISOR}/conf.d/{wanted.name}.conf", mode="644")
    status = host.get_fact(
        SupervisorProgram,
        program=wanted.name,
        configuration=SUPERVISOR_CONFIGURATION,
        directory=wanted.directory,
    )
    if _as_wanted(status, wanted):
        return
    control = StringCommand("supervisorctl -c", QuoteString(SUPERVISOR_CONFIGURATION))
    name = QuoteString(wanted.name)
    # "update" starts what is new and restarts what has a new definition, and says so; where it has
    # nothing to say only the launcher differs or the program is down.
    yield StringCommand(
        control, "reread >/dev/null; said=$(", control, "update", name, ");",
        '[ -n "$said" ] ||', control, "restart", name,
    )  # fmt: skip


def _as_wanted(status: ServiceStatus, wanted: Service) -> bool:
    return status.running and status.digest == wanted.digest
