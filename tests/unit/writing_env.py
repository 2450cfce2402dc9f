"""The operation that writes Dify's .env, run by pyinfra on this machine, on a clone of the lab's Dify."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.context import ctx_state

from provision.domain.deployment import Deployment
from provision.domain.secrets import DIFY
from provision.domain.settings import DifySettings
from provision.operations import dify_stack

SECRETS = {name: f"k7of{name.replace('-', '')}" for name in DIFY} | {"init-password": "k7init"}


def cloned(upstream: Path, version: str, folder: Path) -> Path:
    quiet = ["git", "-c", "advice.detachedHead=false", "clone", "-q"]
    subprocess.run([*quiet, "--branch", version, upstream, folder], check=True)
    return folder


def run(clone: Path, **settings: object) -> bool:
    """Run the operation as a deploy would; whether it changed something.

    Raises:
        PyinfraError: it failed.
    """
    deployment = Deployment({}, "@local", DifySettings(folder=str(clone), **settings), "http://bot.lan:81")
    state = State(Inventory((["@local"], {})), Config())
    with ctx_state.use(state):
        connect_all(state)
        try:
            result = add_op(state, dify_stack.settings, name="Write .env", deployment=deployment)
            run_ops(state)
            return bool(next(iter(result.values())).changed)
        finally:
            disconnect_all(state)
