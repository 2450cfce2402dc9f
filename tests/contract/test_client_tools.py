"""The credential of a tool against the lab's stand-in, with several and, before 1.7.0, with one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starting import Starting
from test_client_standin import Door, serving

from lab.dify.standin import VERSION, api, assembly
from lab.dify.standin.daemon.client import LocalDaemon
from lab.dify.standin.settings import OFFERED, Settings
from provision.dify import Dify, DifyError
from provision.dify.resources import AdminAccount, Plugin, ToolCredential

PLUGIN = "langgenius/stablediffusion"
PROVIDER = f"{PLUGIN}/stablediffusion"
PATH = f"/console/api/workspaces/current/tool-provider/builtin/{PROVIDER}"
OFFER = f"{PLUGIN}:0.0.7@{'7' * 64}"
_runs = itertools.count()


async def models(_: Request) -> JSONResponse:
    return JSONResponse([{"title": name, "model_name": name} for name in ("v1-5-pruned", "sdxl")])


class There:
    """A stand-in with the plugin, and a service that it can reach."""

    def __init__(self, url: str, service: str, door: Door, daemon: LocalDaemon) -> None:
        self.url, self.service, self.door, self.daemon = url, service, door, daemon

    def dify(self) -> Dify:
        http = httpx.Client(base_url=self.url, trust_env=False)
        dify = Dify(http, server=f"tools {next(_runs)}", sleep=lambda seconds: time.sleep(seconds / 20))
        dify.sign_in("admin@example.com", "Canary-Passw0rd")
        return dify

    def tool(self, model: str = "v1-5-pruned", slash: str = "") -> ToolCredential:
        fields = {"base_url": self.service + slash, "model": model}
        return ToolCredential(self.dify(), PROVIDER, fields, ["base_url"])

    def writes(self) -> list[str]:
        return [write for write in self.door.writes if "/tool-provider/" in write]


@pytest.fixture(params=["1.7.2", VERSION])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    offered = (OFFERED, OFFER)
    settings = Settings(request.param, storage=str(tmp_path), install_seconds=0.1, offered=offered)
    site = assembly.site(settings)
    assert isinstance(site.daemon, LocalDaemon)
    door = Door(api.app(site))
    service = Starlette(routes=[Route("/sdapi/v1/sd-models", models)])
    with serving(service) as service_url, serving(door) as url:
        found = There(url, service_url, door, site.daemon)
        dify = found.dify()
        AdminAccount(dify, "admin@example.com", "Admin", "Canary-Passw0rd").apply()
        Plugin(dify, PLUGIN).apply()
        yield found


def test_it_is_connected_once(there: There) -> None:
    assert there.tool().difference() == "the tool has no credential of ours"
    for _ in range(2):
        there.tool().apply()
        assert there.tool().difference() is None
    assert there.writes() == [f"POST {PATH}/add"]


@pytest.mark.parametrize("changed", [{"model": "sdxl"}, {"slash": "/"}])
def test_what_changed_is_updated(there: There, changed: dict[str, str]) -> None:
    there.tool().apply()
    other = there.tool(**changed)
    assert "these differ" in str(other.difference())
    other.apply()
    assert there.writes() == [f"POST {PATH}/add", f"POST {PATH}/update"]
    assert other.difference() is None


def test_one_made_by_hand_stays_and_ours_becomes_the_default(there: There) -> None:
    by_hand = {"credentials": {"base_url": there.service, "model": "sdxl"}, "type": "api-key", "name": "mine"}
    dify = there.dify()
    dify.console.send("By hand", "POST", f"{PATH.removeprefix('/console/api/')}/add", body=by_hand)
    there.tool().apply()
    assert there.writes()[1:] == [f"POST {PATH}/add", f"POST {PATH}/default-credential"]
    shown = dify.console.send("Read", "GET", f"{PATH.removeprefix('/console/api/')}/credentials").items
    assert [(each["name"] == "mine", each["is_default"]) for each in shown] == [(True, False), (False, True)]


def test_a_model_that_the_service_lacks_is_told(there: There) -> None:
    with pytest.raises(DifyError, match=r"model nope does not exist → the request comes from Dify's plugin_"):
        there.tool("nope").apply()


@pytest.mark.parametrize("there", ["1.3.1", "1.4.0"], indirect=True)
def test_before_1_7_0_there_is_one_form(there: There) -> None:
    for model in ("sdxl", "sdxl", "v1-5-pruned"):
        there.tool(model).apply()
        assert there.tool(model).difference() is None
    assert there.writes() == [f"POST {PATH}/update"] * 2
    shown = there.dify().console.send("Read", "GET", f"{PATH.removeprefix('/console/api/')}/credentials").body
    assert shown == {"base_url": shown["base_url"], "model": "v1-5-pruned"}
    assert there.service not in shown["base_url"]


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ("1.3.1", "500 unknown: Internal Server Error"),
        ("1.6.0", "500 unknown: Internal Server Error"),
        ("1.7.0", "400 invalid_param: PluginDaemonInternalServerError: no available node"),
        (VERSION, "400 invalid_param: PluginDaemonInternalServerError: no available node"),
    ],
    indirect=["there"],
)
def test_a_plugin_that_is_starting_is_waited_for(there: There, told: str) -> None:
    """Dify tells of it since 1.7.0 only."""
    there.daemon.runtimes = Starting(3)
    tool = there.tool()
    last = "update" if told.startswith("500") else "add"
    path = f"{PATH.removeprefix('/console/api/')}/{last}"
    sent = {"credentials": dict(tool.credentials), "type": "api-key", "name": "mine"}
    with pytest.raises(DifyError, match=told):
        there.dify().console.send("By hand", "POST", path, body=sent)
    tool.apply()
    assert tool.difference() is None
    assert len(there.writes()) == 4, "refused three times, the first time by hand"
    before = there.writes()
    tool.apply()
    assert there.writes() == before
