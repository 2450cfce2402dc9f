"""Which dialect a version gets, and the dialects that no recording shows."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.dify import Dify
from provision.dify.dialects import auto_upgrade, credentials, visitor
from provision.dify.generations import generation_of
from provision.dify.resources import PluginAutoUpgrade
from provision.domain.wiring.credentials import (
    CredentialAction,
    StoredCredential,
    WantedCredential,
    complete_fields,
)
from provision.domain.wiring.masking import credential_name, mask
from provision.domain.wiring.provider_form import ProviderForm
from provision.domain.wiring.upserts import is_labelled, labelled, own_label, plan_upsert
from provision.domain.wiring.versions import OLDEST_DIFY, Version

_servers = itertools.count()


@pytest.mark.parametrize(
    ("version", "encoded", "header", "named", "upgrade", "passport"),
    [
        ("1.3.1", "pä55", "bearer", False, None, visitor.as_bearer),
        ("1.6.9", "pä55", "bearer", False, None, visitor.as_bearer),
        ("1.7.0", "pä55", "bearer", False, auto_upgrade.FOR_ALL, visitor.as_bearer),
        ("1.7.2", "pä55", "bearer", False, auto_upgrade.FOR_ALL, visitor.as_bearer),
        ("1.8.0", "pä55", "bearer", True, auto_upgrade.FOR_ALL, visitor.as_bearer),
        ("1.9.1", "pä55", "bearer", True, auto_upgrade.FOR_ALL, visitor.as_bearer),
        ("1.9.2", "pä55", "cookies_and_csrf", True, auto_upgrade.FOR_ALL, visitor.as_passport),
        ("1.11.1", "pä55", "cookies_and_csrf", True, auto_upgrade.FOR_ALL, visitor.as_passport),
        ("1.11.2", "cMOkNTU=", "cookies_and_csrf", True, auto_upgrade.FOR_ALL, visitor.as_passport),
        ("1.14.2", "cMOkNTU=", "cookies_and_csrf", True, auto_upgrade.FOR_ALL, visitor.as_passport),
        ("1.15.0", "cMOkNTU=", "cookies_and_csrf", True, auto_upgrade.BY_CATEGORY, visitor.as_passport),
        ("1.17.1", "cMOkNTU=", "cookies_and_csrf", True, auto_upgrade.BY_CATEGORY, visitor.as_passport),
        ("9.0.0", "cMOkNTU=", "cookies_and_csrf", True, auto_upgrade.BY_CATEGORY, visitor.as_passport),
    ],
)
def test_dialects_of_a_version(
    version: str, encoded: str, header: str, named: bool, upgrade: object, passport: object
) -> None:
    generation = generation_of(Version.parse(version))
    assert generation.login.encoded("pä55") == encoded
    assert generation.login.tokens.__name__ == header
    assert (generation.credentials is credentials.NAMED) == named
    assert generation.auto_upgrade is upgrade
    assert generation.visitor is passport


@given(st.tuples(st.integers(0, 40), st.integers(0, 9)))
def test_every_version_since_the_oldest_has_dialects(parts: tuple[int, int]) -> None:
    version = Version(1, *parts)
    if version >= OLDEST_DIFY:
        assert generation_of(version).login


class Preferences:
    """Dify 1.7 to 1.14: one strategy, kept with the permissions, both of which a change must carry."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.permission = {"install_permission": "admins", "debug_permission": "noone"}
        self.auto_upgrade: dict[str, Any] = {"strategy_setting": "fix_only", "upgrade_time_of_day": 7}
        self.auto_upgrade |= {"upgrade_mode": "exclude", "exclude_plugins": ["a/b"], "include_plugins": []}
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/console/api/")
        self.asked.append(f"{request.method} {path}")
        body: dict[str, Any] = {"result": "success", "step": "finished", "data": {"access_token": "t"}}
        if path.endswith("preferences/fetch"):
            assert not request.url.query
            body = {"permission": self.permission, "auto_upgrade": self.auto_upgrade}
        elif path.endswith("preferences/change"):
            sent = json.loads(request.content)
            assert sent.keys() == {"permission", "auto_upgrade"}
            self.permission, self.auto_upgrade = sent["permission"], sent["auto_upgrade"]
            body = {"success": True}
        cookies = [("set-cookie", f"{name}=t; Path=/") for name in ("access_token", "csrf_token")]
        return httpx.Response(200, headers=[("X-Version", self.version), *cookies], json=body)

    def resource(self) -> PluginAutoUpgrade:
        http = httpx.Client(base_url="http://dify", transport=httpx.MockTransport(self))
        dify = Dify(http, server=f"preferences {next(_servers)}")
        dify.sign_in("admin@example.com", "Passw0rd-1")
        return PluginAutoUpgrade(dify)


@pytest.mark.parametrize("version", ["1.7.0", "1.12.1", "1.14.2"])
def test_strategy_for_all_categories_keeps_what_stands_beside_it(version: str) -> None:
    server = Preferences(version)
    resource = server.resource()
    assert resource.difference() == "it is fix_only, wanted is disabled"
    resource.apply()
    resource.apply()
    assert server.asked.count("POST workspaces/current/plugin/preferences/change") == 1
    assert server.permission == {"install_permission": "admins", "debug_permission": "noone"}
    assert server.auto_upgrade["strategy_setting"] == "disabled"
    assert server.auto_upgrade["exclude_plugins"] == ["a/b"]


def test_dify_without_automatic_upgrades_is_left_alone() -> None:
    server = Preferences("1.6.0")
    resource = server.resource()
    assert resource.difference() is None
    resource.apply()
    assert server.asked == ["GET setup"]


def form(*fields: tuple[str, str]) -> ProviderForm:
    """A form of (variable, model type) as Dify shows it; the empty type is every one."""
    shown = [
        {"variable": name, "show_on": [{"variable": "__model_type", "value": kind}] if kind else []}
        for name, kind in fields
    ]
    parsed = ProviderForm.parse({"credential_form_schemas": shown})
    assert parsed is not None
    return parsed


def test_form_of_an_old_plugin() -> None:
    old = form(("endpoint_url", ""), ("agent_though_support", "llm"), ("context_size", "rerank"))
    wanted = {
        "endpoint_url": "u",
        "agent_thought_support": "supported",
        "context_size": "1",
        "max_chunks": "8",
    }
    assert old.fitted(wanted, "llm") == {"endpoint_url": "u", "agent_though_support": "supported"}
    assert old.fitted(wanted, "rerank") == {"endpoint_url": "u", "context_size": "1"}


def test_form_with_a_field_that_another_calls_for() -> None:
    schema = {
        "credential_form_schemas": [
            {"variable": "mode", "default": "chat"},
            {"variable": "only_chat", "show_on": [{"variable": "mode", "value": "chat"}]},
        ]
    }
    parsed = ProviderForm.parse(schema)
    assert parsed is not None
    assert parsed.fitted({"only_chat": "1"}, "llm") == {"only_chat": "1"}
    assert parsed.fitted({"only_chat": "1", "mode": "completion"}, "llm") == {"mode": "completion"}


@pytest.mark.parametrize("schema", [None, [], {}, {"credential_form_schemas": [{}]}])
def test_form_of_another_shape_is_none(schema: object) -> None:
    assert ProviderForm.parse(schema) is None


KEYS = st.text("abAB01-", max_size=12)
FIELDS = st.fixed_dictionaries(
    {"endpoint_url": st.sampled_from(["http://a/v1", "http://b/v1"])},
    optional={"display_name": st.sampled_from(["Mine", ""]), "mode": st.just("chat")},
)


@given(key=KEYS, wanted_fields=FIELDS, old_key=KEYS, stored=st.none() | FIELDS)
def test_one_write_settles_an_upsert(
    key: str, wanted_fields: dict[str, str], old_key: str, stored: dict[str, str] | None
) -> None:
    shown = StoredCredential({**stored, "api_key": mask(old_key)} if stored else {})
    named = WantedCredential(credential_name(key, b"salt"), wanted_fields, key)
    wanted = labelled(named, "m", shown)
    assert plan_upsert(wanted, shown).action is not CredentialAction.NOTHING, "nothing of ours is there yet"
    sent = complete_fields(wanted, shown)
    masked = {**sent, "api_key": mask(sent["api_key"])} if "api_key" in sent else sent
    written = StoredCredential(masked)
    assert labelled(named, "m", written) == wanted
    assert plan_upsert(wanted, written).action is CredentialAction.NOTHING
    if old_key != key:
        other = labelled(
            WantedCredential(credential_name(old_key, b"salt"), wanted_fields, old_key), "m", written
        )
        assert plan_upsert(other, written).action is CredentialAction.UPDATE


def test_the_owner_s_own_label_of_a_model_stays() -> None:
    named = WantedCredential("vllm-12345678", {"endpoint_url": "u"}, "k")
    for label in ("Our model", "Our model · vllm-00000000"):
        wanted = labelled(named, "m", StoredCredential({"display_name": label}))
        assert wanted.fields["display_name"] == "Our model · vllm-12345678"
    assert own_label(StoredCredential({"display_name": "A · B"})) == "A · B"
    assert not is_labelled(StoredCredential({"display_name": "vllm-of-ours"}))
    assert not is_labelled(StoredCredential({"display_name": "A · vllm-prod"}))
    assert is_labelled(StoredCredential({"display_name": "m · vllm-12345678"}))


def test_form_without_a_label_tells_keys_apart_by_their_masks() -> None:
    def action(key: str, stored: str) -> CredentialAction:
        wanted = WantedCredential("vllm-1", {"endpoint_url": "u"}, key)
        return plan_upsert(wanted, StoredCredential({"endpoint_url": "u", "api_key": mask(stored)})).action

    assert action("sk-abcNEWxyz", "sk-zzzOLDxyz") is CredentialAction.UPDATE
    assert action("sk-abcNEWxyz", "sk-abcOLDxyz") is CredentialAction.NOTHING, "the limit, see the module"
