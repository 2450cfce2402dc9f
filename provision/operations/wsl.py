"""A WSL distribution that stays up, comes back, and tells Windows where it is."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Generator, Mapping
from io import BytesIO, StringIO

from paramiko import SSHException
from pyinfra import host, logger, state
from pyinfra.api import FileUploadCommand, FunctionCommand, Host, QuoteString, State, StringCommand, operation
from pyinfra.connectors.local import LocalConnector
from pyinfra.operations import files

from provision import progress
from provision.connectors.tuning import without_delay
from provision.connectors.wsl import WslConnector
from provision.domain import windows_door
from provision.domain.bootstrap import NO_INTEROP
from provision.domain.ini_file import Key, decode, encode, first_nonsense, means, values, with_values
from provision.domain.secrets import ETC
from provision.domain.service import Service
from provision.domain.wsl_restart import Restart
from provision.domain.wsl_restart import restart as decision
from provision.domain.wsl_settings import HOLD_TASK, WSL_CONF, WSL_CONF_KEYS, WSLCONFIG, WSLCONFIG_KEYS
from provision.facts.init import Systemd
from provision.facts.windows import DRIVE, program
from provision.facts.wsl import BOOT_ID, RESTART_DUE, BootId, NotedRestart, WindowsProfile
from provision.operations.failing import failure
from provision.operations.service import running
from provision.remote_file import read_bytes
from provision.templates import text

SETTINGS_STEP = "Set WSL's settings"
RESTART_STEP = "Restart WSL"
BY_HAND = "run `wsl --shutdown` on Windows when nobody needs it"
NO_SYSTEMD = (
    "WSL has it since release 0.67.6 (`wsl --version`, `wsl --update`), and the distribution has to have it "
    f"(apt install systemd-sysv). After that, {BY_HAND}; then run again"
)
PAUSE_SECONDS = 2
ANSWER_SECONDS = 20
# How a connection breaks, whichever way it goes.
BROKEN = (OSError, EOFError, SSHException)

WATCHER = "dify-vllm-windows-address"
WATCHER_FOLDER = "/var/lib/dify-vllm-deploy/windows-address"
WATCHER_PROGRAM = "templates/windows_address.py"

NOTE_IT = StringCommand("mkdir -p", ETC, "&& cp", BOOT_ID, RESTART_DUE)

Commands = Generator[StringCommand | FileUploadCommand | FunctionCommand, None, None]


@operation()
def settings(*, drive: str = DRIVE) -> Commands:
    """Have systemd run, and WSL never stop what seems idle; all else in both files stays as it is.

    Args:
        drive: where drive C: is mounted in the distribution.
    """
    profile = host.get_fact(WindowsProfile, drive=drive)
    if profile is None:
        yield failure(
            SETTINGS_STEP,
            f"{host.name} cannot ask Windows, by {drive}/Windows/System32/cmd.exe, for the user's folder",
            advice=NO_INTEROP,
        )
        return
    changed = yield from _keys(f"{profile}/{WSLCONFIG}", WSLCONFIG_KEYS, strict=False)
    changed |= yield from _keys(WSL_CONF, WSL_CONF_KEYS, strict=True)
    if not changed:
        host.noop("WSL is set to stay up")


def _keys(
    path: str, wanted: Mapping[Key, str], *, strict: bool
) -> Generator[StringCommand | FileUploadCommand, None, bool]:
    """Commands that set keys in one file; returns whether there are any.

    Args:
        strict: WSL reads no further than to the first line that it does not understand.
    """
    try:
        existing = read_bytes(host, path)
    except OSError as error:
        yield failure(SETTINGS_STEP, str(error), advice="Look at the file's permissions")
        return True
    before = decode(existing or b"")
    after = with_values(before, wanted)
    understood = values(after, strict=strict)
    for (section, key), value in wanted.items():
        if not means(understood.get((section.lower(), key.lower())), value):
            yield failure(
                SETTINGS_STEP,
                f"WSL does not understand line {first_nonsense(after)} of {path} and reads no further",
                advice=f"Put that line right, or take it out; [{section}] {key} would come after it",
            )
            return True
    if after == before:
        return False
    host.log(
        f"{path}: {', '.join(f'[{section}] {key}={value}' for (section, key), value in wanted.items())}; "
        "counts after a restart of WSL"
    )
    staged = f"{path}.new"
    # Noted first: a run that is killed in between leaves a restart due that need not be, never the reverse.
    yield NOTE_IT
    yield FileUploadCommand(BytesIO(encode(after, like=existing or b"")), staged)
    if existing is not None:
        yield StringCommand("chmod --reference", QuoteString(path), QuoteString(staged))
    yield StringCommand("mv -fT", QuoteString(staged), QuoteString(path))
    return True


@operation()
def restart(*, allowed: bool, drive: str = DRIVE, timeout: int = 300) -> Commands:
    """Restart WSL when it runs with older settings than it has, if that is allowed.

    Everything in WSL stops meanwhile, other distributions too. Without permission (or where this very run
    lives in the distribution) idle timeouts wait for the next restart, since the holding task keeps the
    distribution up all the same: that is only said. Without systemd nothing of ours would come back: that
    is a failure, and so is a restart that has not brought it.

    Args:
        allowed: the setting ``dify.allow_wsl_restart``.
        drive: where drive C: is mounted in the distribution.
        timeout: seconds that the distribution gets to be reachable again.
    """
    inside = isinstance(host.connector, LocalConnector)
    permit = "" if inside else "set dify.allow_wsl_restart to True, or "
    match decision(
        systemd=host.get_fact(Systemd), noted=host.get_fact(NotedRestart), allowed=allowed and not inside
    ):
        case Restart.NEEDLESS as found:
            host.noop(found.value)
        case Restart.NOW:
            before = host.get_fact(BootId)
            logger.warning(f"{host.print_prefix}WSL is restarted now, with everything that runs in it")
            yield NOTE_IT
            yield from _shut_down(drive)
            yield FunctionCommand(_come_back, (before, timeout), {})
        case Restart.WAITS:
            if state.is_executing:
                progress.remarks.append(
                    f"WSL's idle timeouts count after its next restart; until then the task '{HOLD_TASK}' "
                    f"alone keeps it up. To restart it, {permit}{BY_HAND}"
                )
            host.noop("the restart waits")
        case Restart.MISSED:
            yield NOTE_IT
            yield failure(
                RESTART_STEP,
                f"systemd does not run yet on {host.name}, and nothing would start there after a boot",
                advice=f"To restart WSL, {permit}{BY_HAND}; then run again",
            )
        case Restart.IN_VAIN:
            yield failure(
                RESTART_STEP,
                f"systemd does not run on {host.name}, although WSL was restarted since it was switched on",
                advice=NO_SYSTEMD,
            )


def _shut_down(drive: str) -> Commands:
    if isinstance(host.connector, WslConnector):
        yield FunctionCommand(_shut_down_from_windows, (), {})
        return
    yield StringCommand(
        # Detached, so that this connection ends in order. The program itself runs on Windows.
        "( sleep 1;",
        program(drive, "wsl.exe"),
        "--shutdown ) </dev/null >/dev/null 2>&1 &",
    )


def _shut_down_from_windows(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra wants both
    connector = host.connector
    assert isinstance(connector, WslConnector)
    try:
        connector.shut_down()
    except BROKEN as error:
        _tell(host, f"is not restarted: {error}")
        return False
    return True


def _come_back(state: State, host: Host, before: str, timeout: int) -> bool:  # noqa: ARG001 - pyinfra wants both
    """Connect again, to a distribution that has been started anew.

    No facts: one whose connection breaks, as it may meanwhile, would take the host out of the run.
    """
    host.disconnect()
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(PAUSE_SECONDS)
        with contextlib.suppress(*BROKEN):
            host.connect(show_errors=False)
            if host.connected and _says(host, ANSWER_SECONDS, "cat", BOOT_ID) not in ("", before):
                without_delay(host)
                _says(host, left, "systemctl is-system-running --wait")
                return _has_systemd(host)
        if host.connected:
            host.disconnect()
    _tell(
        host,
        f"is not reachable again after {timeout} s. If its address has changed, put the new one into the "
        f"inventory; if it does not run, look at the task '{HOLD_TASK}' on Windows",
    )
    return False


def _says(host: Host, seconds: float, *command: str) -> str:
    """What a command prints within this time; empty when it fails or takes longer."""
    try:
        done, output = host.run_shell_command(StringCommand(*command), _timeout=seconds)
    except TimeoutError:
        return ""
    return output.stdout if done else ""


def _has_systemd(host: Host) -> bool:
    if _says(host, ANSWER_SECONDS, Systemd().command()) == "systemd":
        return True
    _tell(host, f"runs no systemd after the restart. {NO_SYSTEMD}")
    return False


def _tell(host: Host, problem: str) -> None:
    host.log_styled(f"{RESTART_STEP}: {host.name} {problem}", fg="red", log_func=logger.error)


@operation()
def follow_address(*, drive: str = DRIVE) -> Commands:
    """Have the distribution ask for its ports again whenever it has come up with another address.

    Args:
        drive: where drive C: is mounted in the distribution.
    """
    source = text(WATCHER_PROGRAM)
    path = f"{WATCHER_FOLDER}/windows_address.py"
    watcher = Service(
        name=WATCHER,
        description="Has Windows forward its ports to this distribution's present address",
        argv=["/usr/bin/python3", path, "--drive", drive, "--task", windows_door.TASK_NAME],
        user="root",
        directory=WATCHER_FOLDER,
        inputs=[hashlib.sha256(source.encode()).hexdigest()],
    )  # fmt: skip
    yield from files.directory._inner(path=WATCHER_FOLDER, user="root", mode="755")
    yield from files.put._inner(src=StringIO(source), dest=path, mode="644")
    yield from running(watcher)
