"""The database's way to this version, before the api serves (``flask upgrade-db``, ``commands/system.py``).

As the real one: forward only, so that an older api ends over a newer database; and a migration that fails
ends the process with 1, upon which Docker starts the container again. The real one's lock, by which one of
several containers migrates, is left out: here the second finds it done, or does the same once more.
"""

from __future__ import annotations

import logging
import time

from .settings import Settings, parts
from .store import Store

log = logging.getLogger("standin")


class MigrationError(Exception):
    """The database is not, and will not be, of this version."""


def migrate(store: Store, settings: Settings) -> None:
    """Have the database be of the settings' version; a new one is at once.

    Raises:
        MigrationError: it is a newer one's, or the settings let this migration fail.
    """
    version = settings.version
    row = store.get("schema", "only")
    before = str(row["version"]) if row else None
    if before and parts(before) > parts(version):
        raise MigrationError(f"Can't locate revision identified by '{before}'")
    if before == version:
        return
    if before:
        log.info("Starting database migration from %s to %s.", before, version)
        time.sleep(settings.migration_seconds)
        if version in settings.failing_migrations:
            raise MigrationError(f"the migration to {version} was told to fail")
    store.put("schema", "only", {"version": version})
    log.info("Database migration successful!")
