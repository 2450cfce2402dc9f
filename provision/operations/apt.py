"""Debian packages."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import apt

# Neither of the two waits for a lock by itself; five minutes, then its own message.
PATIENTLY = (
    "export DEBIAN_FRONTEND=noninteractive; "
    "for i in $(seq 60); do {0} >/dev/null 2>&1 && exit 0; sleep 5; done; {0}"
)
WAIT_FOR_LOCK = "-o DPkg::Lock::Timeout=300"


@operation()
def packages(*, wanted: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Have packages installed; the index is read again only when one is missing.

    pyinfra's own operation refreshes the index by age, so that a machine in perfect order would
    report a change every day.

    Args:
        wanted: names, no versions.
    """
    missing = sorted(set(wanted) - set(host.get_fact(DebPackages)))
    if not missing:
        host.noop("every package is installed")
        return
    # A killed run may have left packages half configured; a fresh machine's own upgrades hold the lock.
    yield StringCommand(PATIENTLY.format("dpkg --configure -a"))
    yield StringCommand(PATIENTLY.format("apt-get update -qq"))
    yield from apt.packages._inner(packages=missing, no_recommends=True, extra_install_args=WAIT_FOR_LOCK)
