"""A fact, asked of this machine's shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from pyinfra.api import FactBase, StringCommand


def ask(fact: type[FactBase[Any]], tools: Path | None = None, **arguments: Any) -> Any:
    """What a fact finds.

    Args:
        tools: a folder of programs that go before this machine's own.
        arguments: the fact's.
    """
    command = fact().command(**arguments)
    text = command.get_raw_value() if isinstance(command, StringCommand) else command
    path = f"{tools}:{os.environ['PATH']}" if tools else os.environ["PATH"]
    done = subprocess.run(
        ["sh", "-c", text], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert (done.returncode, done.stderr) == (0, "")
    return fact().process(done.stdout.splitlines())
