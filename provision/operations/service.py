"""Long-running programs under systemd or supervisord."""

from __future__ import annotations

from collections.abc import Generator
from io import StringIO

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory, File
from pyinfra.operations import files

from provision.domain.secrets import ETC
from provision.domain.service import STARTED, Service
from provision.facts.init import Systemd
from provision.facts.service import ServiceStatus, SupervisordRuns, SupervisorProgram, SystemdService
from provision.operations.secrets import secret_file
from provision.templates import render

SUPERVISOR = f"{ETC}/supervisor"
SUPERVISOR_CONFIGURATION = f"{SUPERVISOR}/supervisord.conf"

Commands = Generator[StringCommand | FileUploadCommand, None, None]


@operation()
def supervisord(*, services: str) -> Commands:
    """Have our own supervisord run; on a host without systemd nothing else would start it.

    Args:
        services: the folder that holds the services' folders. Programs that a killed supervisord left
            behind there would keep their ports from the new one, and are ended first.
    """
    yield from files.directory._inner(path=f"{SUPERVISOR}/conf.d", mode="755")
    configuration = StringIO(render("supervisord.conf.j2", directory=SUPERVISOR))
    yield from files.put._inner(src=configuration, dest=SUPERVISOR_CONFIGURATION, mode="644")
    if host.get_fact(SupervisordRuns, configuration=SUPERVISOR_CONFIGURATION):
        host.noop("supervisord runs")
        return
    # A process is ours when it is in the service's own folder; supervisord made each the leader of a group.
    yield StringCommand(
        "for started in", StringCommand(QuoteString(services), f"/*/{STARTED}", _separator=""), "; do",
        'read -r pid digest 2>/dev/null <"$started" || continue;',
        '[ "$(readlink "/proc/$pid/cwd")" = "$(dirname "$started")" ] || continue;',
        'kill -TERM -- "-$pid"; sleep 2; kill -KILL -- "-$pid" 2>/dev/null; done; true',
    )  # fmt: skip
    yield StringCommand("supervisord -c", QuoteString(SUPERVISOR_CONFIGURATION))


def folders(wanted: Service) -> Commands:
    """The folder of a service, and the part of it that belongs to its account."""
    yield from files.directory._inner(path=wanted.directory, user="root", mode="755")
    yield from files.directory._inner(path=wanted.state, user=wanted.user, mode="755")


def running(wanted: Service) -> Commands:
    """Commands that have a program run exactly as described, restarted only when it runs otherwise.

    Args:
        wanted: the description.
    """
    yield from folders(wanted)
    # Its environment may hold a token.
    yield from secret_file._inner(
        content=wanted.launcher_script(), path=wanted.launcher, group=wanted.user, mode="750"
    )
    yield from _under_systemd(wanted) if host.get_fact(Systemd) else _under_supervisord(wanted)


def absent(name: str, directory: str) -> Commands:
    """Commands that end a program for good, and remove what was written for it.

    Args:
        name: the service's.
        directory: the service's.
    """
    systemd = host.get_fact(Systemd)
    definition = _unit(name) if systemd else _program(name)
    if host.get_fact(File, path=definition):
        if systemd:
            yield StringCommand("systemctl disable --quiet --now", QuoteString(f"{name}.service"))
        yield StringCommand("rm", QuoteString(definition))
        yield StringCommand("systemctl daemon-reload") if systemd else _control("update", name)
    # Last, since it is what the next run looks for when this one is cut short.
    if host.get_fact(Directory, path=directory):
        yield StringCommand("rm -r", QuoteString(directory))


def _unit(name: str) -> str:
    return f"/etc/systemd/system/{name}.service"


def _program(name: str) -> str:
    return f"{SUPERVISOR}/conf.d/{name}.conf"


def _control(*words: str) -> StringCommand:
    return StringCommand("supervisorctl -c", QuoteString(SUPERVISOR_CONFIGURATION), *map(QuoteString, words))


def _under_systemd(wanted: Service) -> Commands:
    unit = f"{wanted.name}.service"
    text = StringIO(render("systemd.service.j2", service=wanted))
    yield from files.put._inner(src=text, dest=_unit(wanted.name), mode="644")
    status = host.get_fact(SystemdService, unit=unit, directory=wanted.directory)
    if status.stale or not status.enabled:
        yield StringCommand("systemctl daemon-reload")
    if not status.enabled:
        yield StringCommand("systemctl enable --quiet", QuoteString(unit))
    if not _as_wanted(status, wanted):
        yield StringCommand("systemctl restart", QuoteString(unit))


def _under_supervisord(wanted: Service) -> Commands:
    text = StringIO(render("supervisor_program.conf.j2", service=wanted))
    yield from files.put._inner(src=text, dest=_program(wanted.name), mode="644")
    status = host.get_fact(
        SupervisorProgram,
        program=wanted.name,
        configuration=SUPERVISOR_CONFIGURATION,
        directory=wanted.directory,
    )
    if _as_wanted(status, wanted):
        return
    # "update" starts what is new and restarts what has a new definition, and says so; where it has
    # nothing to say only the launcher differs or the program is down.
    yield StringCommand(
        _control("reread"), ">/dev/null && said=$(", _control("update", wanted.name),
        ') && { [ -n "$said" ] ||', _control("restart", wanted.name), "; }",
    )  # fmt: skip


def _as_wanted(status: ServiceStatus, wanted: Service) -> bool:
    return status.running and status.digest == wanted.digest
