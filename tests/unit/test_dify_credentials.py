"""Credentials: the mask, the fingerprint, the plan."""

from __future__ import annotations

import string
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.dify.dialects.credentials import NAMED
from provision.domain.wiring.credentials import (
    FORM_DEFAULTS,
    CredentialAction,
    CredentialPlan,
    StoredCredential,
    WantedCredential,
    complete_fields,
    plan_credential,
)
from provision.domain.wiring.masking import credential_name, mask, readable_message

KEYS = st.text(string.ascii_letters + string.digits + "-", max_size=40)
NAMED_BY_HAND = st.sampled_from(["", "primary", "API KEY 1"])  # empty: named by us


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("lab-key", "*" * 20), ("12345678", "*" * 20), ("sk-abcdefghxyz", "sk-abc************yz")],
)
def test_mask(secret: str, shown: str) -> None:
    assert mask(secret) == shown


@given(KEYS, KEYS)
def test_name_tells_keys_apart_that_the_mask_does_not(key: str, other: str) -> None:
    name = credential_name(key, b"salt")
    assert len(name) <= 30
    assert (credential_name(other, b"salt") == name) == (other == key)
    assert credential_name(key, b"another salt") != name


@given(st.text(min_size=6), st.text(), st.text())
def test_message_hides_secrets(secret: str, before: str, after: str) -> None:
    shown = readable_message(f"{before}{secret}{after}", frozenset({secret}))
    assert secret not in shown or secret in "***"


def test_message_hides_repeated_input() -> None:
    message = "1 validation error\npassword\n  too short [type=x, input_value='geh...eim', input_type=str]"
    assert "geh" not in readable_message(message, frozenset())


@dataclass
class FakeStore:
    """Dify's side of one model's credentials, as sections 4.1 and 4.7 of its source behave."""

    credentials: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    active: str | None = None

    def show(self) -> StoredCredential:
        fields = dict(self.credentials.get(self.active or "", {}))
        if "api_key" in fields:
            fields["api_key"] = mask(fields["api_key"])
        return StoredCredential(
            fields, self.active, self.names.get(self.active or ""), tuple(self.names.items())
        )

    def carry_out(self, plan: CredentialPlan, wanted: WantedCredential, stored: StoredCredential) -> None:
        if plan.action is CredentialAction.SWITCH:
            assert plan.credential_id != self.active, "Can't add same credential"
            self.active = plan.credential_id
            return
        id_ = plan.credential_id or f"new-{len(self.names)}"
        others = [name for other, name in self.names.items() if other != id_]
        assert wanted.name not in others, "a credential with this name already exists"
        sent = complete_fields(wanted, stored if plan.credential_id else None)
        self.credentials[id_] = {**FORM_DEFAULTS, **{key: value for key, value in sent.items() if value}}
        self.names[id_] = wanted.name
        self.active = self.active or id_


FIELDS = st.fixed_dictionaries(
    {"endpoint_url": st.sampled_from(["http://a/v1", "http://b/v1"]), "context_size": st.just("1024")},
    optional={"mode": st.just("chat"), "vision_support": st.sampled_from(["", "support", "no_support"])},
)


@given(
    key=KEYS,
    fields=FIELDS,
    there=st.lists(st.tuples(NAMED_BY_HAND, KEYS, FIELDS), unique_by=lambda entry: entry[:2], max_size=3),
    active=st.integers(-1, 2),
)
def test_plans_converge_without_stacking(
    key: str, fields: dict[str, str], there: list[tuple[str, str, dict[str, str]]], active: int
) -> None:
    store = FakeStore()
    for number, (name, other_key, other) in enumerate(there):
        store.names[str(number)] = name or credential_name(other_key, b"salt")
        store.credentials[str(number)] = {**other, **({"api_key": other_key} if other_key else {})}
    store.active = str(active) if 0 <= active < len(there) else None
    had_one_to_use = store.active is not None or any(not name for name, _, _ in there)
    before = len(store.names)
    wanted = WantedCredential(credential_name(key, b"salt"), fields, key)

    done: list[CredentialAction] = []
    while (plan := plan_credential(wanted, stored := store.show())).action is not CredentialAction.NOTHING:
        assert plan.action not in done, plan.reason
        store.carry_out(plan, wanted, stored)
        done.append(plan.action)

    assert len(store.names) == before + (0 if had_one_to_use else 1)
    assert store.credentials[store.active or ""].get("api_key", "") == key


def test_unmanaged_fields_are_carried_over_but_never_the_mask() -> None:
    stored = StoredCredential(
        {"display_name": "Mine", "api_key": "*" * 20, "endpoint_url": "http://a/v1"}, "1"
    )
    wanted = WantedCredential("vllm-1", {"endpoint_url": "http://b/v1"})
    assert complete_fields(wanted, stored) == {"display_name": "Mine", "endpoint_url": "http://b/v1"}


def test_a_credential_that_an_owner_named_is_not_taken_for_ours() -> None:
    wanted = WantedCredential(credential_name("key", b"salt"), {}, "key")
    for name, expected in (
        ("vllm-prod", CredentialAction.ADD),
        (credential_name("other", b"salt"), CredentialAction.SWITCH),
    ):
        stored = StoredCredential({}, available=(("1", name),))
        assert plan_credential(wanted, stored).action is expected
        removals = NAMED.removals({"model": "m"}, stored)
        assert len(removals) == (expected is CredentialAction.SWITCH)


def test_rotated_key_with_the_same_mask_is_noticed_and_not_shown() -> None:
    old, new = "sk-abcOLDxyz", "sk-abcNEWxyz"
    assert mask(old) == mask(new)
    name = credential_name(old, b"salt")
    stored = StoredCredential({"api_key": mask(old)}, "1", name, (("1", name),))
    plan = plan_credential(WantedCredential(credential_name(new, b"salt"), {}, new), stored)
    assert plan.action is CredentialAction.UPDATE
    assert "NEW" not in f"{plan} {WantedCredential(name, {}, new)!r}"
