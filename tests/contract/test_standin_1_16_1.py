"""The stand-in against the recording of a real Dify 1.16.1: status, shape, error codes, cookies.

The recording holds three servers: one that was set up by hand and tried in every way, one with INIT_PASSWORD
and https URLs, one that a reconciling client wired, whose plugin daemon was then stopped, and started again
without verification of signatures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standin_scope
from standin_processes import Process, container, free_port, model_endpoint
from standin_recording import Step, recorded
from standin_replay import Outcome, Replay

from lab.dify.standin import form
from lab.dify.standin.daemon import packages

INSTALL_SECONDS = "1.0"
DAEMON_KEY = "key-of-the-contract-tests"
FIRST_SERVER, INIT_SERVER, THIRD_SERVER = range(393), range(393, 408), range(408, 545)
DAEMON_DOWN, UNVERIFIED = 531, 542  # from these lines on
# Fewer would mean that a route fell out of scope unnoticed.
LEAST_COMPARED = 478
SIGNED = packages.build("langgenius", "openai_api_compatible", "0.0.63", signed=True)
UNSIGNED = packages.build("langgenius", "openai_api_compatible", "0.0.63", signed=False)
NEWER = (
    "langgenius/openai_api_compatible:0.0.64@c12e3f787d334531b663596236b93c0226440692a34a54f2ac694d45407cf8b7"
)
RECORDED_PACKAGES = {
    "9ba6cb0bdd75397529c86a9bae1c572827348848f57432c47f7f1e1f75cd8dec": SIGNED,
    "ff201c90c187a9e311f78f6e1377b1be288fd82a2fb1537ba0a7deaab626d5cd": UNSIGNED,
}
UPLOADS = {"upload garbage": b"not a zip", ".*unsigned": UNSIGNED, "": SIGNED}
KEYS = {
    r"apps: chat": "apps: api key",
    r"chat( streaming)?: unknown model": "bad_model_app key",
    r"chat: short provider": "short_app key",
    r"idem|worker down|daemon down": "idem1: WRITE api key",
    r"": "api key create",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    """What became of every step of the recording."""
    logs = tmp_path_factory.mktemp("standin")
    endpoint = model_endpoint(free_port(), logs / "models.log")
    try:
        steps = recorded()
        yield [
            *_first_server(steps, endpoint, logs),
            *_init_server(steps, endpoint, logs),
            *_third_server(steps, endpoint, logs),
        ]
    finally:
        endpoint.stop()


def test_answers_are_those_of_the_real_dify(outcomes: list[Outcome]) -> None:
    wrong = {f"{o.step.number} {o.step.name}": o.problems for o in outcomes if o.problems}
    assert not wrong, "\n".join(f"{name}: {problems}" for name, problems in wrong.items())


def test_every_step_is_compared_or_listed_as_out_of_scope(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == len(recorded())
    assert sum(outcome.reason is None for outcome in outcomes) >= LEAST_COMPARED


def test_every_deviation_is_needed(outcomes: list[Outcome]) -> None:
    used = {deviation for outcome in outcomes for deviation in outcome.deviations}
    assert used == set(standin_scope.DEVIATIONS)


def test_the_form_has_the_recorded_fields() -> None:
    step = next(step for step in recorded() if step.name == "model-providers")
    schema = step.response["json"]["data"][0]["model_credential_schema"]
    assert [variable.name for variable in form.FORM] == schema["variables"]


def _first_server(steps: list[Step], endpoint: Process, logs: Path) -> list[Outcome]:
    daemon = _daemon(free_port(), logs)
    api = _api(daemon, logs)
    try:
        replay = _replay(api, endpoint)
        return [_run(replay, step, steps) for step in steps if step.number in FIRST_SERVER]
    finally:
        api.stop()
        daemon.stop()


def _init_server(steps: list[Step], endpoint: Process, logs: Path) -> list[Outcome]:
    environment = {
        "INIT_PASSWORD": "letmein-init",
        "CONSOLE_WEB_URL": "https://dify.example.com",
        "CONSOLE_API_URL": "https://dify.example.com",
    }
    api = container("api", free_port(), environment, logs / "init-api.log")
    try:
        replay = _replay(api, endpoint)
        return [replay.run(step) for step in steps if step.number in INIT_SERVER]
    finally:
        api.stop()


def _third_server(steps: list[Step], endpoint: Process, logs: Path) -> list[Outcome]:
    daemon = _daemon(free_port(), logs)
    api = _api(daemon, logs)
    try:
        replay = _replay(api, endpoint)
        outcomes = []
        for step in (step for step in steps if step.number in THIRD_SERVER):
            if step.number == DAEMON_DOWN:
                daemon.stop()
            if step.number == UNVERIFIED:
                port = int(daemon.url.rpartition(":")[2])
                daemon = _daemon(port, logs, {"FORCE_VERIFYING_SIGNATURE": "false"})
            outcomes.append(replay.run(step))
        return outcomes
    finally:
        api.stop()
        daemon.stop()


def _run(replay: Replay, step: Step, steps: list[Step]) -> Outcome:
    """A step; in the place of an import, its app made in another way."""
    outcome = replay.run(step)
    said = step.response.get("json") or {}
    made = "/apps/imports" in step.url.path and said.get("app_mode") == "chat"
    if made and step.json:
        replay.make_app(step, said["app_id"], _imported(steps))
    return outcome


def _imported(steps: list[Step]) -> dict[str, Any]:
    """The configuration that every chat import of the recording had."""
    step = next(step for step in steps if step.name == "app detail")
    config: dict[str, Any] = step.response["json"]["model_config"]
    return config


def _api(daemon: Process, logs: Path) -> Process:
    environment = {
        "PLUGIN_DAEMON_URL": daemon.url,
        "PLUGIN_DAEMON_KEY": DAEMON_KEY,
        "STANDIN_MARKETPLACE": f"{packages.read(SIGNED).identifier},{NEWER}",
    }
    return container("api", free_port(), environment, logs / "api.log")


def _daemon(port: int, logs: Path, environment: dict[str, str] | None = None) -> Process:
    settings = {"SERVER_KEY": DAEMON_KEY, "STANDIN_INSTALL_SECONDS": INSTALL_SECONDS}
    return container("plugin_daemon", port, settings | (environment or {}), logs / "daemon.log")


def _replay(api: Process, endpoint: Process) -> Replay:
    replaced = {"http://MODELS": endpoint.url, "http://LOOPBACK": f"http://127.0.0.1:{free_port()}"}
    for checksum, package in RECORDED_PACKAGES.items():
        replaced[checksum] = re.sub(r".*@", "", packages.read(package).identifier)
    return Replay(api, replaced, UPLOADS, KEYS)
