"""Plugins and their automatic upgrades against the stand-in, on both sides of where Dify changed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from test_client_standin import Door, apply, serving

from lab.dify.standin import api, assembly
from lab.dify.standin.daemon import packages
from lab.dify.standin.settings import Settings
from provision.dify import Dify, DifyError
from provision.dify.resources import AdminAccount, Plugin, PluginAutoUpgrade, Resource

PLUGIN = "langgenius/openai_api_compatible"
_runs = itertools.count()


@pytest.fixture
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Door:
    settings = Settings(request.param, storage=str(tmp_path), install_seconds=0.1, verify_signatures=False)
    return Door(api.app(assembly.site(settings)))


@pytest.fixture
def dify(door: Door) -> Iterator[Dify]:
    with serving(door) as url:
        http = httpx.Client(base_url=url, trust_env=False)
        dify = Dify(http, server=f"plugins {next(_runs)}", sleep=lambda seconds: time.sleep(seconds / 20))
        dify.sign_in("admin@example.com", "Canary-Passw0rd")
        AdminAccount(dify, "admin@example.com", "Admin", "Canary-Passw0rd").apply()
        yield dify


def package(path: Path, *files: str) -> Path:
    name, version = PLUGIN.partition("/")[2], "0.0.63"
    path.write_bytes(packages.build("langgenius", name, version, signed=False, files=files))
    return path


@pytest.mark.parametrize("door", ["1.3.1", "1.11.4"], indirect=True)
def test_a_package_that_the_plugin_daemon_is_too_old_for_is_told(dify: Dify, tmp_path: Path) -> None:
    """As it is built from the plugins' repository, where there is a pyproject.toml only."""
    with pytest.raises(DifyError, match=r"failed to find requirements\.txt: .* → Dify before 1\.12\.0"):
        Plugin(dify, PLUGIN, package=package(tmp_path / "built.difypkg", "pyproject.toml")).apply()
    both = package(tmp_path / "both.difypkg", "pyproject.toml", "requirements.txt")
    Plugin(dify, PLUGIN, package=both).apply()


@pytest.mark.parametrize("door", ["1.12.0"], indirect=True)
def test_such_a_package_is_installed_by_a_newer_one(dify: Dify, tmp_path: Path) -> None:
    Plugin(dify, PLUGIN, package=package(tmp_path / "built.difypkg", "pyproject.toml")).apply()


@pytest.mark.parametrize(
    ("door", "writes"),
    [
        ("1.6.0", []),
        ("1.14.2", ["preferences"]),
        ("1.15.0", ["auto-upgrade", "auto-upgrade"]),
        ("1.16.1", ["auto-upgrade", "auto-upgrade"]),
    ],
    indirect=["door"],
)
def test_each_category_has_a_strategy_of_its_own_since_1_15_0(
    dify: Dify, door: Door, writes: list[str]
) -> None:
    before = len(door.writes)
    both = [PluginAutoUpgrade(dify, category) for category in ("model", "tool")]
    apply(list[Resource](both))
    path = "POST /console/api/workspaces/current/plugin"
    assert door.writes[before:] == [f"{path}/{each}/change" for each in writes]
    assert [each.difference() for each in both] == [None, None]
