"""Order between hosts."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation


@operation()
def barrier() -> Generator[StringCommand, None, None]:
    """Wait until every host has come this far.

    pyinfra orders operations by host, not by line: without a common operation in between, a later
    host's phase may run before an earlier host's. Every host must call it, unconditionally.
    """
    host.noop("every host has come this far")
    return
    yield
