"""One operation, run by pyinfra against this machine, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops


@dataclass
class Run:
    """What became of one run of the operation."""

    ok: bool
    changed: bool


def apply_operation(
    operation: Callable[..., Any], *, meanwhile: Callable[[], object] = bool, **arguments: Any
) -> Run:
    """Run an operation as ``pyinfra -y`` does.

    Args:
        meanwhile: what earlier operations do, after this one was planned.
    """
    state = State(Inventory((["@local"], {})), Config())
    connect_all(state)
    metas = add_op(state, operation, name="Change Windows", **arguments)
    meanwhile()
    try:
        run_ops(state)
    except PyinfraError:
        return Run(ok=False, changed=False)
    finally:
        disconnect_all(state)
    return Run(ok=True, changed=all(meta.did_change() for meta in metas.values()))
