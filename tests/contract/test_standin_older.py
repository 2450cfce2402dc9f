"""The stand-in, told to be older, against the recordings of those versions: status, shape, codes, cookies.

Fields that only the newest version has are allowed in the answers; clients of the older ones do not look at
them. Each recording is of one server, whose plugin daemon was stopped once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standin_scope
from standin_processes import Process, container, free_port, model_endpoint
from standin_recording import Step, recorded
from standin_replay import Outcome, Replay

from lab.dify.standin.daemon import packages

INSTALL_SECONDS = "1.0"
DAEMON_KEY = "key-of-the-contract-tests"
NEWER = (
    "langgenius/openai_api_compatible:0.0.64@c12e3f787d334531b663596236b93c0226440692a34a54f2ac694d45407cf8b7"
)
# The version of the plugin there, and how many steps are compared at least.
VERSIONS = {"1.3.1": ("0.0.16", 360), "1.9.2": ("0.0.63", 260), "1.12.1": ("0.0.63", 220)}
# Packages of the recording of 1.3.1 that are put over one another.
OTHERS = ("0.0.13", "0.0.34", "0.0.63")
KEYS = {
    r"made app: chat": "made app: api key",
    r"chat( streaming)?: unknown model": "bad_model_app key",
    r"chat: short provider": "short_app key",
    r"": "api key create",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Outcome]]]:
    """Version to what became of every replayed step of its recording."""
    logs = tmp_path_factory.mktemp("standin")
    endpoint = model_endpoint(free_port(), logs / "models.log")
    try:
        yield {version: _replayed(version, endpoint, logs) for version in VERSIONS}
    finally:
        endpoint.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_are_those_of_the_real_dify(version: str, outcomes: dict[str, list[Outcome]]) -> None:
    wrong = {f"{o.step.number} {o.step.name}": o.problems for o in outcomes[version] if o.problems}
    assert not wrong, "\n".join(f"{name}: {problems}" for name, problems in wrong.items())


@pytest.mark.parametrize("version", VERSIONS)
def test_most_steps_are_compared(version: str, outcomes: dict[str, list[Outcome]]) -> None:
    assert sum(outcome.reason is None for outcome in outcomes[version]) >= VERSIONS[version][1]


def test_every_deviation_is_needed(outcomes: dict[str, list[Outcome]]) -> None:
    used = {meant for each in outcomes.values() for outcome in each for meant in outcome.deviations}
    assert used >= set(standin_scope.OLDER_DEVIATIONS)


@pytest.mark.parametrize("pattern", [*standin_scope.OLDER, *standin_scope.OLDEST])
def test_what_is_out_of_scope_was_recorded(pattern: str) -> None:
    names = [step.name for version in VERSIONS for step in recorded(version)]
    assert any(re.match(pattern, name) for name in names)


def _replayed(version: str, endpoint: Process, logs: Path) -> list[Outcome]:
    plugin = VERSIONS[version][0]
    signed, unsigned = (_package(plugin, signed=how) for how in (True, False))
    others = {each: _package(each) for each in OTHERS if each != plugin}
    steps = recorded(version)
    daemon, port = _daemon(version, free_port(), logs), 0
    offered = [packages.read(each).identifier for each in (signed, *others.values())]
    api = _api(version, daemon, offered, logs)
    replaced = {
        "http://MODELS": endpoint.url,
        "http://LOOPBACK": f"http://127.0.0.1:{free_port()}",
        _checksum(_uploaded(steps)): _checksum(packages.read(signed).identifier),
        **{
            checksum: _checksum(packages.read(others[each]).identifier)
            for each, checksum in _checksums(steps).items()
            if each in others
        },
    }
    uploads = {"upload garbage": b"not a zip", ".*unsigned": unsigned}
    uploads |= {
        f".*{re.escape(each)}.*upload|.*upload {re.escape(each)}": raw for each, raw in others.items()
    }
    uploads[""] = signed
    replay = Replay(api, replaced, uploads, KEYS, version)
    outcomes = []
    try:
        for step in steps:
            down = step.name.startswith("daemon down")
            if down and not port:
                daemon.stop()
                port = int(daemon.url.rpartition(":")[2])
            outcomes.append(replay.run(step))
            if not port:
                _make_imported(replay, step, steps)
    finally:
        api.stop()
        daemon.stop()
    return outcomes


def _make_imported(replay: Replay, step: Step, steps: list[Step]) -> None:
    """In the place of an import, its app made in another way."""
    said = step.response.get("json") or {}
    if "/apps/imports" not in step.url.path or said.get("app_mode") != "chat" or not step.json:
        return
    config: dict[str, Any] = next(step for step in steps if step.name == "app detail").response["json"]
    replay.make_app(step, said["app_id"], config["model_config"])


def _uploaded(steps: list[Step]) -> str:
    step = next(step for step in steps if step.name == "upload signed pkg")
    return str(step.response["json"]["unique_identifier"])


def _package(version: str, *, signed: bool = True) -> bytes:
    return packages.build("langgenius", "openai_api_compatible", version, signed=signed)


def _checksums(steps: list[Step]) -> dict[str, str]:
    """Version of a package to its recorded checksum."""
    told = json.dumps([step.response for step in steps])
    return dict(re.findall(r"langgenius/openai_api_compatible:([\d.]+)@([0-9a-f]{64})", told))


def _checksum(identifier: str) -> str:
    return identifier.partition("@")[2]


def _api(version: str, daemon: Process, offered: list[str], logs: Path) -> Process:
    environment = {
        "PLUGIN_DAEMON_URL": daemon.url,
        "PLUGIN_DAEMON_KEY": DAEMON_KEY,
        "STANDIN_VERSION": version,
        "STANDIN_MARKETPLACE": ",".join([*offered, NEWER]),
    }
    return container("api", free_port(), environment, logs / "api.log")


def _daemon(version: str, port: int, logs: Path) -> Process:
    settings = {"SERVER_KEY": DAEMON_KEY, "STANDIN_INSTALL_SECONDS": INSTALL_SECONDS}
    settings["STANDIN_VERSION"] = version
    return container("plugin_daemon", port, settings, logs / "daemon.log")
