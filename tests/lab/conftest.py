"""What the tests beside this file share: a model hub on loopback, and a Windows of stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_process import MODEL, ROOT, WEIGHTS, WEIGHTS_SIZE, Hub
from pyinfra_run import Run, apply_operation
from windows_machine import Machine

from provision.operations.windows import port_proxy


@pytest.fixture
def client_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a client that leaves nothing outside the test, and does not wait for minutes."""
    home = str(tmp_path / "home")
    short = {
        f"MODELSCOPE_DOWNLOAD_{what}": "2" for what in ("TIMEOUT", "MAX_RETRIES", "RETRY_MAX_DELAY_SECONDS")
    }
    return os.environ | {"HOME": home, "MODELSCOPE_CACHE": home, "TQDM_DISABLE": "1"} | short


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """The hub's program, run by its path as in the lab's container; tag ``v2`` differs in one file."""
    folder = tmp_path / "served"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(bytes(index * index % 251 for index in range(WEIGHTS_SIZE)))
    (folder / "config.json").write_text('{"hidden_size": 64}\n')
    (folder / "1_Pooling" / "config.json").write_text("{}\n")
    other = tmp_path / "served-v2"
    shutil.copytree(folder, other)
    (other / "config.json").write_text('{"hidden_size": 128}\n')
    program = ROOT / "lab" / "hub" / "server.py"
    shelves = [f"{MODEL}={folder}", f"{MODEL}@v2={other}"]
    command = [sys.executable, program, "--host", "127.0.0.1", "--port", "0", *shelves]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = re.search(r"port (\d+)", process.stdout.readline())
        assert port is not None
        yield Hub(f"http://127.0.0.1:{port[1]}", folder)
        process.terminate()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "c")


@pytest.fixture
def apply(machine: Machine) -> Callable[..., Run]:
    """Run the port proxy's operation by pyinfra against this machine, as ``pyinfra -y`` does."""

    def run(**arguments: Any) -> Run:
        # The address of the test's distribution: this machine has no eth0 to ask.
        arguments = {"connect_address": "127.0.0.1", "drive": str(machine.drive)} | arguments
        return apply_operation(port_proxy, **arguments)

    return run
