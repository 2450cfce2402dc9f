"""The next morning: Windows was rebooted, nobody has logged in, and nobody ran the deploy."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from conftest import apply, processes, writes_at_the_door

from lab import addresses, waiting
from lab.hosts import reboot
from provision.domain.portproxy import REGISTRY_KEY, parse_registry
from provision.domain.wsl_settings import HOLD_TASK

pytestmark = pytest.mark.usefixtures("converged")

WSLCONFIG = "/mnt/c/Users/莫非/.wslconfig"
SETTINGS = "WSL | Have WSL stay up"
RESTART = "WSL | Restart WSL if its settings need it"
PERMITTED = ("--data", 'dify={"allow_wsl_restart": true}')
BOOT_ID = "/proc/sys/kernel/random/boot_id"

On = Callable[..., str]


def test_everything_is_back_without_a_deploy(on: On, handover: dict[str, str]) -> None:
    written, asked = writes_at_the_door(on), calls(on, "door")
    before = addresses.dify_wsl().ip
    assert targets(on) == {before}
    reboot("windows")
    now = addresses.dify_wsl().ip
    assert now != before
    until_dify_answers()
    assert targets(on) == {now}
    assert answer(handover)
    assert calls(on, "door") == asked + 1
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {}
    assert writes_at_the_door(on) == written
    assert calls(on, "door") == asked + 1


@pytest.mark.full
def test_the_same_address_asks_for_nothing(on: On) -> None:
    asked = calls(on, "door")
    reboot("dify-wsl")
    until_dify_answers()
    time.sleep(15)  # longer than the pause between two looks
    assert calls(on, "door") == asked


def test_a_restart_of_wsl_waits_for_permission(on: On) -> None:
    """The owner has undone one key; the rest of the file is hers, and stays as it is."""
    file = on("dify-wsl", "cat", WSLCONFIG)
    assert "\r\nmemory=8GB   # half of it\r\n" in file
    on("dify-wsl", "sed", "-i", r"s/^vmIdleTimeout.*\r/vmIdleTimeout = 60000  # a minute\r/", WSLCONFIG)
    boot, running = on("dify-wsl", "cat", BOOT_ID), processes(on)
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {SETTINGS: ["dify-wsl"]}
    assert on("dify-wsl", "cat", WSLCONFIG) == re.sub(
        "(?m)^vmIdleTimeout.*\r", "vmIdleTimeout = -1  # a minute\r", file
    )
    again = apply()
    assert again.changed == {}
    for each in (run, again):
        assert f"until then the task '{HOLD_TASK}' alone keeps it up" in each.output
    assert (on("dify-wsl", "cat", BOOT_ID), processes(on)) == (boot, running)

    run = apply(*PERMITTED)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {RESTART: ["dify-wsl"]}
    assert on("dify-wsl", "cat", BOOT_ID) != boot
    again = apply()
    assert again.changed == {}
    assert "keeps it up" not in again.output


def test_a_wsl_conf_that_wsl_cannot_read_is_named(on: On) -> None:
    on("dify-wsl", "cp", "-p", "/etc/wsl.conf", "/etc/wsl.conf.kept")
    on("dify-wsl", "sh", "-c", "printf '; mine\\n[boot]\\n' >/etc/wsl.conf")
    try:
        run = apply()
    finally:
        on("dify-wsl", "mv", "/etc/wsl.conf.kept", "/etc/wsl.conf")
    assert run.code == 1
    assert "WSL does not understand line 1 of /etc/wsl.conf" in run.output


@pytest.fixture
def no_holding_task(on: On) -> Iterator[None]:
    kept = on("windows", "cat", "/mnt/c/lab/state.json")
    state = json.loads(kept)
    del state["tasks"][HOLD_TASK]
    write_state(on, json.dumps(state, ensure_ascii=False))
    yield
    # What else Windows remembers has changed meanwhile.
    state = json.loads(on("windows", "cat", "/mnt/c/lab/state.json"))
    state["tasks"][HOLD_TASK] = json.loads(kept)["tasks"][HOLD_TASK]
    write_state(on, json.dumps(state, ensure_ascii=False))
    waiting.until(lambda: waiting.greets(addresses.dify_wsl()), "WSL", 60)
    until_dify_answers()


@pytest.mark.usefixtures("no_holding_task")
def test_without_the_holding_task_the_run_is_refused_and_wsl_stays_down(on: On) -> None:
    before = processes(on)
    run = apply()
    assert run.code == 1
    assert f"Windows has no task '{HOLD_TASK}' that starts this distribution at boot" in run.output
    assert r"bootstrap\windows.ps1 -AllowedPorts 81" in run.output
    assert processes(on) == before
    reboot("windows")
    over_windows = subprocess.run(
        ["pyinfra", "-y", "tests/e2e/inventories/wsl.py", "--limit", f"@wsl/{addresses.WINDOWS.ip}",
         "exec", "--", "true"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip
    assert over_windows.returncode == 1
    assert (
        f"the distribution Debian does not run, and Windows has no task '{HOLD_TASK}'" in over_windows.stderr
    )
    with pytest.raises(TimeoutError):
        waiting.until(lambda: waiting.greets(addresses.dify_wsl()), "WSL", 10)


def test_and_after_that_nothing_is_left_to_do() -> None:
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {}


def write_state(on: On, text: str) -> None:
    script = "import sys; open('/mnt/c/lab/state.json', 'w').write(sys.argv[1])"
    on("windows", "python3", "-c", script, text)


def targets(on: On) -> set[str]:
    """Where Windows forwards Dify's port to."""
    said = on("dify-wsl", "/mnt/c/Windows/System32/reg.exe", "query", REGISTRY_KEY)
    return {rule.connect_address for rule in parse_registry(said.encode()) if rule.listen_port == 81}


def calls(on: On, program: str) -> int:
    log = on("windows", "cat", "/mnt/c/lab/calls.jsonl")
    return sum(json.loads(line)["program"] == program for line in log.splitlines())


def answer(handover: dict[str, str]) -> str:
    """What the bot says, asked as everybody else asks it: through Windows."""
    question = {"inputs": {}, "query": "你好", "user": "morning", "response_mode": "blocking"}
    reply = httpx.post(
        f"{handover['API base']}/chat-messages",
        headers={"Authorization": f"Bearer {handover['API key']}"},
        json=question,
        timeout=120,
    )
    assert reply.status_code == 200, reply.text
    said: str = reply.json()["answer"]
    return said


def until_dify_answers(seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://{addresses.WINDOWS.ip}:81/console/api/setup").status_code == 200:
                return
        time.sleep(1)
    raise AssertionError("Dify did not come back by itself")
