"""Trouble, on the oldest and the newest version: clearly told; the next run finishes; one more is clean."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from standin_processes import free_port
from starlette.applications import Starlette
from starlette.routing import Route
from starting import Starting
from test_client_standin import (
    BOT,
    EMAIL,
    INIT_PASSWORD,
    Door,
    Installation,
    apply,
    model_endpoint,
    serving,
)

from lab.dify.standin import api, assembly
from lab.dify.standin.cache import MemoryCache
from lab.dify.standin.context import Site
from lab.dify.standin.daemon.client import LocalDaemon, RemoteDaemon
from lab.dify.standin.settings import Settings
from provision.dify import DifyError, wait_until_ready
from provision.dify.resources import PROVIDER, StrayModels
from provision.dify.transport import Transport

VERSIONS = ("1.3.1", "1.16.1")
ENOUGH = 120.0  # of the seconds that `faster` makes shorter


@dataclass
class Place:
    """An installation with its data, and the models; what runs there may change."""

    site: Site
    models: str

    @contextmanager
    def running(self, *, daemon: bool = True, starting: int = 0, **faults: Any) -> Iterator[Installation]:
        """Dify with these faults of its settings, and its plugin daemon up or down.

        Args:
            starting: how often the daemon, which was just restarted, is asked for a plugin before it has any
                running; what Dify kept of them is too old.
        """
        site = replace(self.site, settings=replace(self.site.settings, **faults))
        if starting:
            assert isinstance(site.daemon, LocalDaemon)
            restarted = LocalDaemon(site.daemon.installs, Starting(starting))
            site = replace(site, daemon=restarted, cache=MemoryCache())
        if not daemon:
            site = replace(site, daemon=RemoteDaemon(f"http://127.0.0.1:{free_port()}", "key"))
        door = Door(api.app(site))
        with serving(door) as url:
            yield Installation(url, self.models, door)

    def finish(self) -> None:
        """The next run, which finishes, and one more, which sends no write."""
        with self.running() as there:
            apply(there.resources(there.dify()))
            before = list(there.door.writes)
            assert apply(there.resources(there.dify())) == []
            assert there.door.writes == before


@pytest.fixture(params=VERSIONS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    settings = Settings(
        version=request.param, init_password=INIT_PASSWORD, storage=str(tmp_path), install_seconds=0.2
    )
    models = Starlette(routes=[Route("/v1/{task:path}", model_endpoint, methods=["POST"])])
    with serving(models) as url:
        yield Place(assembly.site(settings), url)


def faster(seconds: float) -> None:
    time.sleep(seconds / 20)


def test_a_slow_start_is_waited_for(place: Place) -> None:
    with place.running(bad_gateway_seconds=0.4, without_tables_seconds=0.8) as there:
        wait_until_ready(there.dify(), ENOUGH, sleep=faster)
        assert apply(there.resources(there.dify()))
    place.finish()


def test_a_login_while_another_container_migrates_is_waited_for(place: Place) -> None:
    """Then the setup answers at once, as its table is an old one."""
    place.finish()
    with place.running(migrating_elsewhere_seconds=0.6) as there:
        dify = there.dify()
        wait_until_ready(dify, 1, sleep=faster)
        with pytest.raises(DifyError, match=r"Sign in to Dify: .* 500 unknown"):
            dify.apps.find(BOT)
        dify.console.patience = ENOUGH
        assert dify.apps.find(BOT) is not None
    place.finish()


@pytest.mark.parametrize(
    ("fault", "told"), [("bad_gateway_seconds", "502"), ("without_tables_seconds", "500 unknown")]
)
def test_a_start_that_does_not_end_is_told(place: Place, fault: str, told: str) -> None:
    with (
        place.running(**{fault: 600.0}) as there,
        pytest.raises(DifyError, match=f"Wait for Dify: .*{told}"),
    ):
        wait_until_ready(there.dify(), 1, sleep=faster)
    place.finish()


def test_an_installation_whose_task_is_gone_is_looked_up(place: Place) -> None:
    with place.running(expired_tasks=True) as there:
        admin, plugin, *_ = there.resources(there.dify())
        admin.apply()
        with pytest.raises(DifyError, match=r"the installation ended, but .* is not installed"):
            plugin.apply()
        time.sleep(0.3)  # it goes on
        assert plugin.difference() is None
    place.finish()


@pytest.mark.parametrize(
    "path", ["/plugin/install/", r"/models(/credentials)?$", r"/apps$", "/model-config", "/api-keys"]
)
def test_a_write_that_is_lost_is_found(place: Place, path: str) -> None:
    with place.running(lost_writes=path) as there:
        with pytest.raises(DifyError) as error:
            apply(there.resources(there.dify()))
        sent = [write for write in there.door.writes if path.strip("/$").split("(")[0] in write]
        assert len(sent) == 1, (str(error.value), there.door.writes)
    place.finish()


def test_a_plugin_daemon_that_is_down_is_told_and_changes_nothing(place: Place) -> None:
    place.finish()
    with place.running(daemon=False) as there:
        place.site.cache.delete(f"plugin_model_providers:{place.site.tenant_id()}")
        _, plugin, _, _, _, _, defaults, *_ = there.resources(there.dify())
        for resource in (plugin, defaults):
            for ask in (resource.difference, resource.apply):
                with pytest.raises(DifyError):
                    ask()
        assert there.door.writes == []
    place.finish()


# Where the resources are cut that a restart of the plugin daemon comes between: before the first one that has
# the plugin asked. What that one is told while the plugin does not run is another thing in each.
RESTARTS = [
    (3, "Connect the llm model", "500 unknown: Internal Server Error"),
    (6, "Set the default models", "400 invalid_param: Model qwen3-0.6b does not exist."),
    (7, "Publish the chatbot", "500 unknown|must be in the specified model list"),
]


@pytest.mark.parametrize(("before", "title", "told"), RESTARTS)
def test_plugins_that_start_after_their_daemon_are_waited_for(
    place: Place, before: int, title: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.running() as there:
        apply(there.resources(there.dify())[:before])
    seen: list[str] = []
    demand_good = Transport._demand_good

    def remembering(self: Transport, step: str, request: str, response: httpx.Response) -> None:
        try:
            demand_good(self, step, request, response)
        except DifyError as error:
            seen.append(str(error))
            raise

    monkeypatch.setattr(Transport, "_demand_good", remembering)
    with place.running(starting=8) as there:
        apply(there.resources(there.dify())[before:])
    assert seen
    assert all(error.startswith(title) and re.search(told, error) for error in seen), seen
    assert len(place.site.store.all("credential")) == len(place.site.store.all("model")) == 3
    assert len(place.site.store.all("app")) == 1
    place.finish()


def test_models_that_left_are_found_though_dify_lists_none_yet(place: Place) -> None:
    place.finish()
    with place.running(starting=5) as there:
        dify = there.dify()
        left = [("text-embedding", "bge"), ("rerank", "reranker")]
        dify.console.patience = ENOUGH
        strays = StrayModels(dify, left, prune=True)
        assert dify.providers.unlisted(PROVIDER, left) == left
        assert strays.difference() == "to remove: qwen3-0.6b (llm)"


def test_what_a_visitor_is_told_while_plugins_start(place: Place) -> None:
    place.finish()
    with place.running(starting=1) as there:
        dify = there.dify()
        with pytest.raises(DifyError, match="500 internal_server_error"):
            dify.service.ask(dify.apps.api_key(BOT), "Are you there?", "provisioner")
        assert dify.service.ask(dify.apps.api_key(BOT), "Are you there?", "provisioner").text


def test_a_locked_account_is_told_and_not_tried_again(place: Place) -> None:
    place.finish()
    counter = f"login_error_rate_limit:{EMAIL}"
    place.site.cache.set(counter, "6", 60)
    with place.running() as there:
        dify = there.dify()
        with pytest.raises(DifyError, match="429 email_code_login_limit"):
            dify.apps.find(BOT)
        with pytest.raises(DifyError, match="not sent again"):
            dify.apps.find(BOT)
        assert there.door.writes == []
    place.site.cache.delete(counter)
    place.finish()
