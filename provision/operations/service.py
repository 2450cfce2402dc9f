"""Long-running programs under systemd or supervisord."""

from __future__ import annotations

from collections.abc import Generator
from io import StringIO

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory, File
from pyinfra.operations import files

from provision.domain.secrets import ETC
from provision.domain.service import Service
from provision.facts.files import HoldsLine
from provision.facts.init import Systemd
from provision.facts.service import ServiceStatus, SupervisordRuns, SupervisorProgram, SystemdService
from provision.operations.secrets import secret_file
from provision.templates import render

SUPERVISOR = f"{ETC}/supervisor"
SUPERVISOR_CONFIGURATION = f"{SUPERVISOR}/supervisord.conf"
START_SUPERVISORD = f"{SUPERVISOR}/start"
HOOK = f"{START_SUPERVISORD} >/dev/null 2>&1 & # added by dify-vllm-deploy"

Commands = Generator[StringCommand | FileUploadCommand, None, None]


@operation()
def supervisord() -> Commands:
    """Have our own supervisord run, on a host without systemd."""
    yield from files.directory._inner(path=f"{SUPERVISOR}/conf.d", mode="755")
    for template, path, mode in (
        ("supervisord.conf.j2", SUPERVISOR_CONFIGURATION, "644"),
        ("supervisord_start.sh.j2", START_SUPERVISORD, "755"),
    ):
        text = StringIO(render(template, directory=SUPERVISOR))
        yield from files.put._inner(src=text, dest=path, mode=mode)
    if host.get_fact(SupervisordRuns, configuration=SUPERVISOR_CONFIGURATION):
        host.noop("supervisord runs")
        return
    yield StringCommand(START_SUPERVISORD)


@operation()
def start_hook(*, path: str) -> Commands:
    """Have supervisord started whenever the box starts, by the shell script that its provider then runs.

    The script may be somebody else's: one line is added, at the top, since many a script ends with a program
    that does not return (vast-ai/base-image's entrypoint). The line neither waits nor fails, because the rest
    of the box's start may depend on the script (RunPod's ends when it fails).

    Args:
        path: the script; it need not exist yet.
    """
    if host.get_fact(HoldsLine, path=path, line=HOOK):
        host.noop(f"{path} starts supervisord")
        return
    yield hooked(path)


def hooked(path: str) -> StringCommand:
    """A command that adds our line to a shell script, below a first line that names the shell."""
    script, line = QuoteString(path), QuoteString(HOOK)
    below, above = QuoteString(f"1a\\{HOOK}"), QuoteString(f"1i\\{HOOK}")
    # sed writes a new file and renames it, with the old one's owner and mode, where a link leads to.
    return StringCommand(
        "if [ -s", script, "]; then",
        'if [ "$(head -c 2', script, ')" = "#!" ]; then set --', below, "; else set --", above, "; fi;",
        'LC_ALL=C sed --in-place --follow-symlinks "$1"', script, ";",
        "else printf '#!/bin/sh\\n%s\\n'", line, ">", script, "&& chmod 755", script, "; fi",
    )  # fmt: skip


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
        else:
            yield StringCommand(_control("stop", name), "|| true")
        yield StringCommand("rm", QuoteString(definition))
    # The folder goes last: it is what the next run looks for when this one is cut short.
    if host.get_fact(Directory, path=directory):
        yield StringCommand("systemctl daemon-reload") if systemd else _control("update", name)
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
    # nothing to say only the launcher differs or the program is down. Added again rather than restarted:
    # that would wait for startsecs.
    yield StringCommand(
        _control("reread"), ">/dev/null && said=$(", _control("update", wanted.name),
        ') && { [ -n "$said" ] || {', _control("stop", wanted.name), ";",
        _control("remove", wanted.name), "&&", _control("add", wanted.name), "; }; }",
    )  # fmt: skip


def _as_wanted(status: ServiceStatus, wanted: Service) -> bool:
    return status.running and status.digest == wanted.digest
