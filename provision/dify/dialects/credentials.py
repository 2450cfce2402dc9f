"""Where a model's credential is kept, and how one is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provision.dify.reply import Reply
from provision.domain.wiring.credentials import (
    CredentialAction,
    CredentialPlan,
    StoredCredential,
    WantedCredential,
    complete_fields,
    plan_credential,
)
from provision.domain.wiring.masking import is_credential_name
from provision.domain.wiring.upserts import is_labelled, labelled, plan_upsert


@dataclass(frozen=True)
class Write:
    """One request; `path` is below ``model-providers/<provider>/models``. Dify tries the endpoint first
    when it `saves` fields."""

    method: str
    path: str
    body: Mapping[str, Any]
    saves: bool = True


@dataclass(frozen=True)
class CredentialDialect:
    """Args:
    prepared: the wanted credential of the model of this name, as it is compared with the stored one and
        written.
    plan: one step towards what is wanted, from what is stored.
    write: the request of a step, for a model (its name and type as they are sent).
    removals: the requests that take out what this tool made for a model; none for what others made.
    """

    prepared: Callable[[WantedCredential, str, StoredCredential], WantedCredential]
    plan: Callable[[WantedCredential, StoredCredential], CredentialPlan]
    write: Callable[[CredentialPlan, Mapping[str, str], WantedCredential, StoredCredential], Write]
    removals: Callable[[Mapping[str, str], StoredCredential], list[Write]]


def stored_credential(reply: Reply) -> StoredCredential:
    """What a read shows; an older Dify has no names or ids, and null for a model that it does not have."""
    available = reply.optional("available_credentials", list) or []
    return StoredCredential(
        fields=reply.optional("credentials", dict) or {},
        active_id=reply.optional("current_credential_id", str),
        active_name=reply.optional("current_credential_name", str),
        available=tuple((str(item["credential_id"]), str(item["credential_name"])) for item in available),
    )


def _named(
    plan: CredentialPlan, model: Mapping[str, str], wanted: WantedCredential, stored: StoredCredential
) -> Write:
    target = dict(model)
    if plan.credential_id is not None:
        target["credential_id"] = plan.credential_id
    if plan.action is CredentialAction.SWITCH:
        return Write("POST", "credentials/switch", target, saves=False)
    adding = plan.action is CredentialAction.ADD
    fields = complete_fields(wanted, None if adding else stored)
    body = {**target, "name": wanted.name, "credentials": fields}
    return Write("POST" if adding else "PUT", "credentials", body)


def _upserted(
    plan: CredentialPlan, model: Mapping[str, str], wanted: WantedCredential, stored: StoredCredential
) -> Write:
    del plan  # the same call adds and overwrites
    return Write("POST", "", {**model, "credentials": complete_fields(wanted, stored)})


def _our_names(model: Mapping[str, str], stored: StoredCredential) -> list[Write]:
    # The last credential takes the model along; the model alone would leave its credential behind.
    return [
        Write("DELETE", "credentials", {**model, "credential_id": credential_id}, saves=False)
        for credential_id, name in stored.available
        if is_credential_name(name)
    ]


def _our_label(model: Mapping[str, str], stored: StoredCredential) -> list[Write]:
    return [Write("DELETE", "", model, saves=False)] if is_labelled(stored) else []


NAMED = CredentialDialect(lambda wanted, _, __: wanted, plan_credential, _named, _our_names)
UPSERTED = CredentialDialect(labelled, plan_upsert, _upserted, _our_label)
