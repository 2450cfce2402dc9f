"""``flask`` in the api's container: the command that upgrades call (``commands/data_migrate.py`` of 1.15).

Without ``--apply`` it says what it would do. Its events are JSON lines on stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import NoReturn

from .model_store import canonical
from .settings import Settings
from .store import Store

GROUP = "data-migrate"
COMMAND = "legacy-model-types"
SINCE = "1.15.0"


def run(arguments: Sequence[str], store: Store, settings: Settings) -> None:
    """Do what the command line says.

    Raises:
        SystemExit: there is no such command, or no such option; with 2, as click has it.
    """
    match list(arguments):
        case [str(group), str(command), *options] if (group, command) == (GROUP, COMMAND) and settings.since(
            SINCE
        ):
            if unknown := [option for option in options if option != "--apply"]:
                _refuse(f"No such option: {unknown[0]}")
            _rewrite(store, apply=bool(options))
        case [name, *_]:
            _refuse(f"No such command '{name}'.")
        case _:
            _refuse("Missing command.")


def _rewrite(store: Store, *, apply: bool) -> None:
    for kind, key, record in list(canonical(store)):
        if apply:
            store.put(kind, key, record)
        event = {"event": "row_updated", "attrs": {"apply": apply, "table_name": kind, "id": key}}
        print(json.dumps(event), flush=True)


def _refuse(said: str) -> NoReturn:
    print(f"Error: {said}", file=sys.stderr)
    sys.exit(2)
