"""Windows around WSL: ports, port proxy and firewall, seen from a neighbour on the LAN and from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Run, apply, plan, processes

from lab import addresses, waiting
from lab.docker import Docker
from provision.domain.portproxy import REGISTRY_KEY
from provision.domain.windows_door import TASK_NAME

pytestmark = pytest.mark.usefixtures("converged")

FORWARD = "Windows | Forward Dify's port from Windows"
FORWARD_NOTHING = "Windows | Forward nothing from Windows"
LET_IN = "Windows | Let the LAN through Windows' firewall"
LET_NOBODY_IN = "Windows | Let nobody through Windows' firewall"
ON_DIFY = ["dify-wsl"]

On = Callable[..., str]

# Runs on Windows' drive, where the state is; the stand-ins' own lock keeps two writers apart.
EDIT = """
import json, sys
sys.path.insert(0, "/mnt/c/lab")
from standins import state
with state.changing() as machine:
    machine.update(json.loads(sys.argv[1]))
"""


class Windows:
    """The lab's Windows, past the deploy: its state, its programs, its log of calls."""

    def __init__(self, on: On) -> None:
        self._on = on

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._on("windows", "cat", "/mnt/c/lab/state.json"))
        return found

    def change(self, **parts: Any) -> None:
        self._on("windows", "python3", "-c", EDIT, json.dumps(parts))

    def netsh(self, *arguments: str) -> None:
        """As an administrator does by hand."""
        netsh = "/mnt/c/Windows/System32/netsh.exe"
        self._on("windows", "env", "LAB_WINDOWS_ELEVATED=1", netsh, *arguments)

    def writes(self) -> int:
        calls = self._on("windows", "cat", "/mnt/c/lab/calls.jsonl").splitlines()
        return sum(call["write"] for call in map(json.loads, calls) if call["program"] != "door")


@pytest.fixture
def windows(on: On) -> Iterator[Windows]:
    """Whatever a test did to Windows is taken back; the deploy then finds nothing to do."""
    machine = Windows(on)
    before = machine.state
    yield machine
    machine.change(**before)
    assert apply().changed == {}


@pytest.fixture(params=["en-US", pytest.param("zh-CN", marks=pytest.mark.full)])
def speaking(request: pytest.FixtureRequest, windows: Windows) -> Windows:
    """Windows in each language."""
    windows.change(locale=request.param)
    return windows


@pytest.fixture
def chinese(windows: Windows) -> Windows:
    """Chinese in every run of the tests: its messages are in GBK, which is no UTF-8."""
    windows.change(locale="zh-CN")
    return windows


def setting(**dify: object) -> list[str]:
    return ["--data", f"dify={json.dumps(dify)}"]


def answers(docker: Docker, port: int = 81, source: str = addresses.NEIGHBOUR.ip) -> bool:
    """Whether Dify answers a machine on the LAN of Windows that calls from an address."""
    url = f"http://{addresses.WINDOWS_ON_THE_LAN}:{port}/console/api/setup"
    done = docker.exec(
        "dvd-lab-neighbour", "curl", "-sf", "--max-time", "10", "--interface", source, url, check=False
    )
    return done.returncode == 0 and json.loads(done.stdout)["step"] == "finished"


def rules(windows: Windows) -> list[str]:
    """Listen pairs of the port proxy."""
    key = REGISTRY_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
    return list(windows.state["registry"].get(key, {}))


def shut_out(docker: Docker, port: int = 81) -> None:
    """The forwarder follows its state within a moment."""
    waiting.until(lambda: not answers(docker, port), f"port {port} of Windows is shut", 10)


def refused(run: Run) -> str:
    assert run.code == 1
    assert run.report == {}
    assert "Refused before anything was touched" in run.output
    return run.output


def test_the_lan_gets_in_through_rule_and_firewall(speaking: Windows, docker: Docker) -> None:
    """From the LAN, not from elsewhere; each of the two rules is needed, and mended when it is gone."""
    assert answers(docker)
    assert not answers(docker, source=addresses.STRANGER_IP)
    written = speaking.writes()
    run = apply()
    assert (run.code, run.changed, speaking.writes()) == (0, {}, written)
    assert "Windows forwards the port by a rule" in run.output

    speaking.netsh("interface", "portproxy", "delete", "v4tov4", "listenport=81", "listenaddress=0.0.0.0")
    shut_out(docker)
    assert apply().changed == {FORWARD: ON_DIFY}
    waiting.until(lambda: answers(docker), "Dify on the LAN", 10)

    speaking.netsh("advfirewall", "firewall", "delete", "rule", "name=dify-vllm-deploy-tcp-81")
    assert not answers(docker)
    assert plan().changed == {LET_IN: ON_DIFY}
    assert apply().changed == {LET_IN: ON_DIFY}
    assert answers(docker)


def test_a_chinese_windows(chinese: Windows, docker: Docker) -> None:
    chinese.netsh("advfirewall", "firewall", "delete", "rule", "name=dify-vllm-deploy-tcp-81")
    chinese.netsh("interface", "portproxy", "delete", "v4tov4", "listenport=81", "listenaddress=0.0.0.0")
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {FORWARD: ON_DIFY, LET_IN: ON_DIFY}
    waiting.until(lambda: answers(docker), "Dify on the LAN", 10)
    assert apply().changed == {}


@pytest.mark.full
@pytest.mark.usefixtures("windows")
def test_who_is_let_in(docker: Docker) -> None:
    for access, lan, elsewhere in (("any", True, True), ([f"{addresses.STRANGER_IP}"], False, True)):
        run = apply(*setting(lan_access=access))
        assert (run.code, run.changed) == (0, {LET_IN: ON_DIFY}), run.output[-4000:]
        assert apply(*setting(lan_access=access)).changed == {}
        assert (answers(docker), answers(docker, source=addresses.STRANGER_IP)) == (lan, elsewhere)
    # The lab's networks are private ones.
    assert apply(*setting(lan_profiles=["public"])).changed == {LET_IN: ON_DIFY}
    assert not answers(docker)
    assert apply().changed == {LET_IN: ON_DIFY}
    assert answers(docker)


def test_nobody_is_let_in(speaking: Windows, docker: Docker) -> None:
    nobody = setting(lan_access=None)
    run = apply(*nobody)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == {FORWARD_NOTHING: ON_DIFY, LET_NOBODY_IN: ON_DIFY}
    shut_out(docker)
    assert "dify-vllm-deploy" not in json.dumps(speaking.state["registry"])
    assert apply(*nobody).changed == {}
    # As on a first install where no door was built: nothing is asked of it.
    tasks, written = speaking.state["tasks"], speaking.writes()
    speaking.change(tasks={name: task for name, task in tasks.items() if name != TASK_NAME})
    run = apply(*nobody)
    assert (run.code, run.changed, speaking.writes()) == (0, {}, written), run.output[-4000:]
    assert not answers(docker)
    assert "Windows has no task that opens ports for us" in refused(apply())
    speaking.change(tasks=tasks)
    assert apply().changed == {FORWARD: ON_DIFY, LET_IN: ON_DIFY}
    waiting.until(lambda: answers(docker), "Dify on the LAN", 10)


@pytest.mark.full
def test_drift_of_the_firewall_is_mended(windows: Windows, docker: Docker) -> None:
    """A copy that blocks, under our title: it would win."""
    copy = ("name=dify-vllm-deploy-tcp-81", "dir=in", "action=block", "protocol=TCP", "localport=81")
    windows.netsh("advfirewall", "firewall", "add", "rule", *copy)
    assert not answers(docker)
    assert apply().changed == {LET_IN: ON_DIFY}
    assert answers(docker)


def test_ports_of_windows_that_are_taken_are_refused(speaking: Windows, on: On) -> None:
    before, written = processes(on), speaking.writes()
    found = speaking.state
    taken = [["0.0.0.0", 80, 4], ["0.0.0.0", 8081, 4321]]
    named = {"4321": ["nginx.exe"], "2200": ["svchost.exe", "W3SVC"]}
    speaking.change(
        listeners=found["listeners"] + taken,
        processes=found["processes"] | named,
        excluded=[*found["excluded"], [8443, 8542, False]],
    )
    url = f"http://{addresses.WINDOWS.ip}"
    said = refused(apply(*setting(port=80, public_url=url)))
    assert "dify-wsl: dify.port = 80: HTTP.sys (process 4), for a web service of Windows" in said
    assert "IIS (W3SVC)" in said
    assert "set dify.port to a free one, such as 81" in said
    said = refused(apply(*setting(port=8081, public_url=url)))
    assert "dify.port = 8081: nginx.exe, process 4321 of Windows, has this port" in said
    assert r"bootstrap\windows.ps1 -AllowedPorts 8081" in said
    said = refused(apply(*setting(ssl_port=8443)))
    assert "dify.ssl_port = 8443: Windows' reserved range 8443-8542" in said
    assert (processes(on), speaking.writes()) == (before, written)


@pytest.mark.full
def test_a_foreign_rule_on_our_port_is_refused(windows: Windows, on: On) -> None:
    """``*`` is another key than ``0.0.0.0``: Windows would keep both."""
    before = processes(on)
    windows.netsh("interface", "portproxy", "add", "v4tov4", "listenport=81", "connectaddress=192.168.1.9")
    keeping = setting(port="auto", public_url=f"http://{addresses.WINDOWS.ip}")
    for way in ((), setting(lan_access=None), keeping):
        said = refused(apply(*way))
        assert "dify.port = 81: the port proxy rule *:81 -> 192.168.1.9:81 of Windows, not made by" in said
        assert "(netsh interface portproxy delete v4tov4 listenport=81)" in said
    assert processes(on) == before
    windows.netsh("interface", "portproxy", "delete", "v4tov4", "listenport=81")


@pytest.mark.full
@pytest.mark.usefixtures("windows")
def test_a_port_of_the_dify_host_that_is_taken_is_refused(on: On) -> None:
    on("dify-wsl", "systemd-run", "--quiet", "--unit=somebody", "--socket-property=ListenStream=0.0.0.0:8444",
       "/bin/true")  # fmt: skip
    try:
        said = refused(apply(*setting(ssl_port=8444)))
    finally:
        on("dify-wsl", "systemctl", "stop", "somebody.socket")
    assert "dify.ssl_port = 8444: systemd (process 1) has this port" in said
    assert "such as 8445" in said


@pytest.mark.full
def test_auto_keeps_the_port_that_dify_has(windows: Windows) -> None:
    """80 is free, and not taken: the choice of an earlier run stands in Dify's .env."""
    assert not any(port == 80 for _, port, _ in windows.state["listeners"])
    run = apply(*setting(port="auto", public_url=f"http://{addresses.WINDOWS.ip}"))
    assert (run.code, run.changed) == (0, {}), run.output[-4000:]
    assert f"http://{addresses.WINDOWS.ip}:81/chat/" in run.output


def test_mirrored_networking_needs_no_rule(windows: Windows, on: On) -> None:
    """As WSL 2 says it on a mirrored network; no rule of ours is left, and the firewall still decides."""
    on("dify-wsl", "sh", "-c", "printf '#!/bin/sh\\necho mirrored\\n' >/usr/local/bin/wslinfo;"
       " chmod 755 /usr/local/bin/wslinfo")  # fmt: skip
    try:
        run = apply()
        assert (run.code, run.changed) == (0, {FORWARD: ON_DIFY}), run.output[-4000:]
        assert "WSL's network is mirrored" in run.output
        assert apply().changed == {}
        assert not any(name.endswith("/81") for name in rules(windows))
        windows.netsh("interface", "portproxy", "add", "v4tov4", "listenport=81", "connectaddress=nas")
        assert "the port proxy rule *:81 -> nas:81 of Windows, not made by" in refused(apply())
        windows.netsh("interface", "portproxy", "delete", "v4tov4", "listenport=81")
        assert "dify-vllm-deploy-tcp-81" in json.dumps(windows.state["registry"])
    finally:
        on("dify-wsl", "rm", "/usr/local/bin/wslinfo")
    assert apply().changed == {FORWARD: ON_DIFY}


@pytest.mark.full
@pytest.mark.usefixtures("windows")
def test_the_plugin_debugging_port_is_published_when_asked_for(on: On) -> None:
    def listens() -> bool:
        return ":5003 " in on("dify-wsl", "ss", "-ltnH")

    assert not listens()
    said = refused(apply(*setting(plugin_debugging_port=5003)))
    assert "the administrator of Windows has not allowed port 5003" in said
    asked = setting(plugin_debugging_port=5003, lan_access=None)
    stack = {"Dify | Write Dify's .env and override": ON_DIFY, "Dify | Start Dify": ON_DIFY}
    run = apply(*asked)
    assert (run.code, run.changed) == (0, {**stack, FORWARD_NOTHING: ON_DIFY, LET_NOBODY_IN: ON_DIFY})
    assert listens()
    assert apply(*asked).changed == {}
    assert apply().changed == {**stack, FORWARD: ON_DIFY, LET_IN: ON_DIFY}
    assert not listens()
