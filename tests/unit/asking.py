"""A fact, asked of this machine's shell."""

from __future__ import annotations

import subprocess
from typing import Any

from pyinfra.api import FactBase, StringCommand


def ask(fact: type[FactBase[Any]], **arguments: Any) -> Any:
    command = fact().command(**arguments)
    text = command.get_raw_value() if isinstance(command, StringCommand) else command
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return fact().process(done.stdout.splitlines())
