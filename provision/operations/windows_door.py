"""Asking the elevated door of Windows for a change, and believing only what Windows has afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from io import StringIO

from pyinfra import host, logger
from pyinfra.api import FileUploadCommand, FunctionCommand, Host, QuoteString, State, StringCommand

from provision.domain import windows_door
from provision.domain.bootstrap import bootstrap_line
from provision.facts.windows import DoorResult, DoorSettings, TaskRegistered, program
from provision.operations.failing import failure

POLL_SECONDS = 0.5
UNREADABLE_SETTINGS = (
    f"the door's settings, C:/{windows_door.SETTINGS}, cannot be read, or another version of this project "
    "has written them"
)

Commands = Generator[StringCommand | FileUploadCommand | FunctionCommand, None, None]


def ask(
    step: str, request: windows_door.Request, still_wrong: Callable[[Host], str], *, drive: str, timeout: int
) -> Commands:
    """Send a request through the door, once it is known that it would be accepted.

    Args:
        step: what is being done, for people.
        request: what to ask.
        still_wrong: looks at Windows again and says what it lacks; empty when all is well.
        drive: where drive C: is mounted in the distribution.
        timeout: seconds that the door gets to answer.
    """
    ports = sorted({*request.ports})
    if not host.get_fact(TaskRegistered, task=windows_door.TASK_NAME, drive=drive):
        yield failure(
            step,
            f"{host.name} finds no scheduled task '{windows_door.TASK_NAME}' on Windows",
            advice=bootstrap_line(ports),
        )
        return
    settings = host.get_fact(DoorSettings, drive=drive)
    if settings is None:
        yield failure(step, f"{host.name}: {UNREADABLE_SETTINGS}", advice=bootstrap_line(ports))
        return
    allowed = settings.allowed_ports
    try:
        windows_door.check_ports(ports, allowed_ports=allowed)
    except windows_door.DoorRefusedError as error:
        yield failure(step, str(error), advice=bootstrap_line(ports))
        return
    before = host.get_fact(DoorResult, drive=drive)
    # The watcher in the distribution writes requests, too, by a file of its own beside it: whole ones only.
    target = f"{drive}/{windows_door.REQUEST}"
    fresh = f"{target}.deploy"
    rename = StringCommand("mv -fT", QuoteString(fresh), QuoteString(target))
    yield FileUploadCommand(StringIO(request.model_dump_json(exclude_none=True) + "\n"), fresh)
    # Windows replaces no file that a program has open, and the door may just be reading an earlier one.
    yield StringCommand(rename, "2>/dev/null || { sleep 2;", rename, "; }")
    yield StringCommand(
        # Its own words are in the code page of Windows, which would not survive the way here.
        program(drive, "schtasks.exe"), "/run /tn", QuoteString(windows_door.TASK_NAME),
        "</dev/null >/dev/null 2>&1 || {",
        failure(step, f"Windows does not start '{windows_door.TASK_NAME}'", advice=bootstrap_line()),
        "; }",
    )  # fmt: skip
    yield FunctionCommand(_await_door, (step, request.nonce, before, still_wrong, drive, timeout), {})


def _await_door(
    state: State,  # noqa: ARG001 - pyinfra heeds the answer only of functions that take both
    host: Host,
    step: str,
    nonce: str,
    before: windows_door.Result | None,
    still_wrong: Callable[[Host], str],
    drive: str,
    timeout: int,
) -> bool:
    """Wait for the door's answer to one request, then believe the registry only.

    The task runs in the background: that it was started says nothing of what it did. Nor does an answer to
    somebody else say that ours was not carried out: the door keeps its last answer only, and refuses what it
    finds for the second time. So Windows is looked at whenever there is another answer.
    """
    deadline = time.monotonic() + timeout
    seen = before
    while True:
        late = time.monotonic() >= deadline
        result = host.get_fact(DoorResult, drive=drive)
        answer = result if result and result.nonce == nonce else None
        if answer or late or result != seen:
            lacking = still_wrong(host)
            if not lacking:
                return True
            if answer or late:
                break
        seen = result
        time.sleep(POLL_SECONDS)
    if answer:
        found = answer.message or lacking
    elif result and result != before:
        found = f"the door has answered somebody else's request and not this one, and {lacking}; run again"
    else:
        found = f"the door has not answered within {timeout} s; its task's last run result tells why"
    host.log_styled(f"{step}: {host.name}: {found}", fg="red", log_func=logger.error)
    return False
