"""Plugins: installed, upgraded, left alone; and a server that refuses, lies or is half-way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dify_routes import IDS, INSTALL, NEW, OLD, STARTED, TASK, Routes, W, installed, task

from provision.dify import DifyError
from provision.dify.resources import Plugin, PluginAutoUpgrade


def test_upgrade_is_followed_to_its_end() -> None:
    progress: list[str] = []
    routes = Routes(
        {
            IDS: [installed(OLD), installed(NEW)],
            f"POST {W}/plugin/upgrade/marketplace": [STARTED],
            TASK: [task("running", "starting"), task("running", "starting"), task("success")],
        }
    )
    Plugin(routes.dify(), NEW, progress=progress.append).apply()
    assert routes.bodies(f"POST {W}/plugin/upgrade/marketplace") == [
        {"original_plugin_unique_identifier": OLD, "new_plugin_unique_identifier": NEW}
    ]
    assert progress == ["running: starting"]


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (
            [task("failed", "failed to install dependencies")],
            "failed to install dependencies .*PIP_MIRROR_URL",
        ),
        (
            [task("failed", "failed to find requirements.txt: stat /app/p/requirements.txt: no such file")],
            "no such file → Dify before 1.12.0 wants a requirements.txt in the package",
        ),
        ([task("running", "starting")], "still running: starting after 900 s"),
        ([task("success")], "the installation ended, but the plugin a/b is not installed"),
        ([(500, {"code": "unknown", "message": "Internal Server Error"})], "the installation ended, but"),
    ],
)
def test_installations_that_fail(states: list[Any], told: str) -> None:
    routes = Routes({IDS: [installed()], INSTALL: [STARTED], TASK: states})
    with pytest.raises(DifyError, match=told):
        Plugin(routes.dify(), NEW).apply()


@pytest.mark.parametrize("identifier", ["a/b", OLD])
def test_a_newer_version_than_the_pinned_one_is_left_alone(identifier: str) -> None:
    routes = Routes({IDS: [installed(NEW)]})
    plugin = Plugin(routes.dify(), identifier)
    assert plugin.difference() is None
    plugin.apply()
    assert {route for route, _ in routes.sent} <= {"GET setup", "POST login", IDS}


def test_an_installation_is_waited_for_as_long_as_is_said() -> None:
    routes = Routes({IDS: [installed()], INSTALL: [STARTED], TASK: [task("running", "starting")]})
    with pytest.raises(DifyError, match="still running: starting after 60 s"):
        Plugin(routes.dify(), NEW, 60).apply()
    assert routes.now == 60


def test_an_upgrade_that_changed_nothing_is_found() -> None:
    routes = Routes({IDS: [installed(OLD)], f"POST {W}/plugin/upgrade/marketplace": [STARTED]})
    routes.answers[TASK] = [task("success")]
    with pytest.raises(DifyError, match=r"ended, but the plugin a/b is 0\.0\.1, wanted is 0\.0\.2"):
        Plugin(routes.dify(), NEW).apply()


@pytest.mark.parametrize(("wanted", "writes"), [("disabled", 1), ("fix_only", 1), ("latest", 0)])
def test_automatic_upgrades_are_as_wanted(wanted: Any, writes: int) -> None:
    policy = {"strategy_setting": "latest", "upgrade_time_of_day": 7, "exclude_plugins": ["a/b"]}
    fetch, change = (f"{W}/plugin/auto-upgrade/{word}" for word in ("fetch", "change"))
    shown = [
        {"category": "model", "auto_upgrade": each}
        for each in (policy, {**policy, "strategy_setting": wanted})
    ]
    routes = Routes({f"GET {fetch}": shown, f"POST {change}": [{"success": True}]})
    PluginAutoUpgrade(routes.dify(), strategy=wanted).apply()
    sent = [{"category": "model", "auto_upgrade": {**policy, "strategy_setting": wanted}}]
    assert routes.bodies(f"POST {change}") == sent * writes


def test_an_automatic_upgrade_that_stayed_is_told() -> None:
    fetch, change = (f"{W}/plugin/auto-upgrade/{word}" for word in ("fetch", "change"))
    shown = {"category": "model", "auto_upgrade": {"strategy_setting": "latest"}}
    routes = Routes({f"GET {fetch}": [shown], f"POST {change}": [{"success": True}]})
    with pytest.raises(DifyError, match="accepted it, but it is latest, wanted is disabled"):
        PluginAutoUpgrade(routes.dify()).apply()


def test_expired_task_is_looked_up_in_the_list() -> None:
    gone = (500, {"code": "unknown", "message": "Internal Server Error"})
    routes = Routes({IDS: [installed(), installed(NEW)], INSTALL: [STARTED], TASK: [gone]})
    Plugin(routes.dify(), "a/b:0.0.2@" + "2" * 64).apply()


def test_unreachable_marketplace() -> None:
    routes = Routes({IDS: [installed()], f"POST {W}/plugin/list/latest-versions": [{"versions": {}}]})
    with pytest.raises(DifyError, match="cannot be reached"):
        Plugin(routes.dify(), "a/b").apply()


def test_no_upgrade_from_a_file_is_told_as_that(tmp_path: Path) -> None:
    """Offline, where the marketplace cannot be reached (contract 3.5)."""
    refused = (400, {"code": "invalid_param", "message": "Reached maximum retries", "status": 400})
    routes = Routes({IDS: [installed(OLD)], f"POST {W}/plugin/upgrade/marketplace": [refused]})
    with pytest.raises(
        DifyError, match=r"not from .*new\.difypkg: name the package of the installed version"
    ):
        Plugin(routes.dify(), NEW, package=tmp_path / "new.difypkg").apply()
