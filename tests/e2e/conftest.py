"""The lab, driven as a user drives it: by pyinfra's command line."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import addresses
from lab.docker import Docker
from lab.seen import handed_over as handed_over
from lab.seen import writes_at_the_door as writes_at_the_door

LAB = "inventories/lab.py"
HOSTS = [address.name for address in addresses.HOSTS]
SECRETS = "/etc/dify-vllm-deploy/secrets"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    # By number, not by letter: test_11 is no first run.
    items.sort(key=lambda item: int((re.match(r"test_(\d+)_", item.path.name) or "00")[1]))


@dataclass(frozen=True)
class Run:
    """One run of pyinfra, as its JSON report tells it."""

    code: int
    report: dict[str, Any]
    output: str

    @property
    def changed(self) -> dict[str, list[str]]:
        """Operation to the hosts that it changed, or would change."""
        if results := self.report.get("results"):
            return {
                each["name"]: sorted(each["success"]) for each in results["operations"] if each["success"]
            }
        return {
            each["name"]: sorted(each["hosts_with_change"])
            for each in self.report.get("plan", [])
            if each["hosts_with_change"]
        }


def pyinfra(
    *arguments: str, inventory: str = LAB, program: Sequence[str] = ("pyinfra",), deploy: str = "deploy.py"
) -> Run:
    done = subprocess.run(
        [*program, "--json", *arguments, inventory, deploy],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=1200, check=False,
    )  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {}
    return Run(done.returncode, report, done.stdout + done.stderr)


def apply(*arguments: str, inventory: str = LAB, program: Sequence[str] = ("pyinfra",)) -> Run:
    return pyinfra("-y", *arguments, inventory=inventory, program=program)


def run(deploy: str, *arguments: str) -> Run:
    """One of the other deploys: ``run("backup")``."""
    return pyinfra("-y", *arguments, deploy=f"deploys/{deploy}.py")


def plan(*arguments: str, inventory: str = LAB) -> Run:
    return pyinfra("--dry", *arguments, inventory=inventory)


def setting(**namespaces: object) -> list[str]:
    """Settings for one run: ``setting(chat={"max_model_len": 768})``."""
    return [word for name, value in namespaces.items() for word in ("--data", f"{name}={json.dumps(value)}")]


class Watch:
    """Notes every command line that runs on this machine while it watches; the test hosts' are among them."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker()


@pytest.fixture(scope="session")
def on(docker: Docker) -> Callable[..., str]:
    """Run a program on a test host, past ssh and pyinfra: ``on("gpu-chat", "ps", "-e")``."""

    def run(name: str, *argv: str) -> str:
        return docker.exec(f"dvd-lab-{name}", *argv).stdout

    return run


@pytest.fixture(scope="session")
def bare(on: Callable[..., str]) -> tuple[Run, dict[str, str], dict[str, str]]:
    """A dry run against hosts that nothing was done to, with their files before and after it."""
    before = {name: _files(on, name) for name in HOSTS}
    run = plan()
    return run, before, {name: _files(on, name) for name in HOSTS}


def _files(on: Callable[..., str], name: str) -> str:
    folders = ["/etc", "/opt", "/root", "/srv", "/usr/local", "/var/lib/dpkg"]
    return on(name, "find", *folders, "-xdev", "-newermt", "1970-01-01", "-printf", "%p %s %T@\n")


TALKATIVE = ("-vvv", "--debug", "--diff")
KILLED_DURING = ("Serving | Install vLLM", "Dify | Start Dify")


@dataclass(frozen=True)
class FirstRun:
    """The way from bare hosts: two runs that were killed, and the one that finished what they began."""

    killed: list[str]
    run: Run
    watch: Watch

    @property
    def output(self) -> str:
        return "".join(self.killed) + self.run.output


@pytest.fixture(scope="session")
def converged(bare: tuple[Run, dict[str, str], dict[str, str]]) -> FirstRun:
    """Everything that pyinfra can print is switched on, and every process is watched."""
    assert bare[0].code == 0
    with Watch() as watch:
        killed = [_killed_during(operation) for operation in KILLED_DURING]
        run = apply(*TALKATIVE)
    assert run.code == 0, run.output[-8000:]
    return FirstRun(killed, run, watch)


def _killed_during(operation: str) -> str:
    """Start a run and kill it, as a power cut would, a moment after an operation has begun."""
    command = ["pyinfra", "-y", *TALKATIVE, LAB, "deploy.py"]
    said = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout
        for line in run.stdout:
            said.append(line)
            if f"Starting operation: {operation}" in line:
                time.sleep(2)
                run.kill()
        assert run.wait() == -signal.SIGKILL, "".join(said[-40:])
    return "".join(said)


@pytest.fixture(scope="module", autouse=True)
def put_right_after_a_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """A row that fails half-way must not fail the next file's rows too: they begin with what converged."""
    before = request.session.testsfailed
    yield
    if request.session.testsfailed > before:
        apply()


@pytest.fixture(scope="module")
def handover(converged: object, on: Callable[..., str]) -> dict[str, str]:
    """What lies on the Dify host now: one file has it deployed anew, with another key."""
    del converged
    return handed_over(on)


def accept(output: str) -> None:
    """Do what the messages advise; the owner has compared the fingerprints."""
    commands = re.findall(r"^\s+((?:ssh-keygen -R .+ && )?printf .+ >> .+)$", output, re.MULTILINE)
    assert commands, output[-4000:]
    for command in commands:
        subprocess.run(["sh", "-c", command], capture_output=True, check=True)


def processes(on: Callable[..., str]) -> dict[str, str]:
    """What would differ if anything had been restarted: services' process ids, containers' ids and starts."""
    found = {name: on(name, "sh", "-c", "cat /srv/dify-vllm/services/*/state/started") for name in HOSTS[:3]}
    ids = on("dify-wsl", "docker", "ps", "-q", "--no-trunc").split()
    found["dify-wsl"] = on("dify-wsl", "docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *ids)
    tunnels = "cat /var/lib/dify-vllm-deploy/services/*/state/started"
    found["dify-wsl"] += on("dify-wsl", "sh", "-c", tunnels)
    return found
