"""The stand-in as one version or another: what it says it is, what it does with an older database."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from standin_processes import container, free_port

from lab.dify.standin import api, assembly, tool_providers
from lab.dify.standin.migration import MigrationError, migrate
from lab.dify.standin.settings import Settings, read
from lab.dify.standin.store import MemoryStore


def of(version: str, failing: tuple[str, ...] = (), seconds: float = 0) -> Settings:
    return Settings(version=version, migration_seconds=seconds, failing_migrations=failing)


@pytest.mark.parametrize(("version", "dsl"), [("1.15.0", "0.6.0"), ("1.17.1", "0.7.0")])
def test_a_container_says_what_its_image_is_of(tmp_path: Path, version: str, dsl: str) -> None:
    settings = {"STANDIN_VERSION": version, "SECRET_KEY": "of-a-test"}
    api = container("api", free_port(), settings, tmp_path / "log")
    try:
        answer = httpx.get(f"{api.url}/console/api/app-dsl-version", trust_env=False)
        assert answer.headers["X-Version"] == version
        assert answer.json() == {"app_dsl_version": dsl}
    finally:
        api.stop()


ROUTES = {
    "/console/api/app-dsl-version": ("1.14.2", "1.15.0"),
    "/console/api/system-features/license": ("1.16.0", "1.16.1"),
    "/console/api/workspaces/current/plugin/preferences/fetch": ("1.6.0", "1.7.0"),
    "/console/api/workspaces/current/plugin/auto-upgrade/fetch": ("1.14.2", "1.15.0"),
    "/console/api/workspaces/current/plugin/{category}/list": ("1.14.2", "1.15.0"),
    f"/console/api/workspaces/current{tool_providers.PREFIX}/add": ("1.6.0", "1.7.0"),
    "/v1/site": ("1.3.1", "1.4.0"),
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_route_is_there_from_its_version_on(tmp_path: Path, path: str) -> None:
    there = []
    for version in ROUTES[path]:
        site = assembly.site(Settings(version, storage=str(tmp_path)))
        there.append(path in {getattr(route, "path", "") for route in api.app(site).routes})
    assert there == [False, True]


def schema(store: MemoryStore) -> object:
    row = store.get("schema", "only")
    return row and row["version"]


def test_a_new_database_is_of_the_version_at_once_and_an_older_one_after_a_while() -> None:
    store = MemoryStore()
    never = of("1.15.0", failing=("1.15.0",), seconds=float("nan"))
    migrate(store, never)  # nothing to migrate: it does not even wait
    assert schema(store) == "1.15.0"
    migrate(store, never)
    migrate(store, of("1.16.1"))
    assert schema(store) == "1.16.1"


def test_there_is_no_way_back() -> None:
    store = MemoryStore()
    migrate(store, of("1.16.1"))
    with pytest.raises(MigrationError, match=r"Can't locate revision identified by '1\.16\.1'"):
        migrate(store, of("1.15.0"))
    migrate(store, of("1.17.1"))
    assert schema(store) == "1.17.1"


def test_a_migration_that_is_to_fail_does_so_every_time_and_leaves_the_version() -> None:
    told = read(
        {
            "STANDIN_VERSION": "1.16.1",
            "STANDIN_MIGRATION_SECONDS": "0.01",
            "STANDIN_FAILING_MIGRATIONS": "1.0.0, 1.16.1",
        }
    )
    store = MemoryStore()
    migrate(store, of("1.15.0"))
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"the migration to 1\.16\.1 was told to fail"):
            migrate(store, told)
        assert schema(store) == "1.15.0"
    migrate(store, of("1.16.1"))
    assert schema(store) == "1.16.1"
