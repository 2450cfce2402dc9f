"""The credential of one model: compare what Dify shows with what is wanted, and plan one step.

Neither "add" nor any other call of Dify's credential endpoints is idempotent: a second "add" stacks an
inactive credential. So each step is planned anew from what Dify shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from provision.domain.wiring.masking import is_credential_name, mask

# The only secret of the provider's form; Dify masks it.
SECRET_FIELD = "api_key"  # noqa: S105 - the name of a field

# Defaults that Dify stores for optional fields which are not sent
# (langgenius/openai_api_compatible 0.0.63, provider/openai_api_compatible.yaml).
FORM_DEFAULTS: Mapping[str, str] = {
    "mode": "chat",
    "max_tokens_to_sample": "4096",
    "agent_thought_support": "not_supported",
    "compatibility_mode": "strict",
    "token_param_name": "auto",
    "function_calling_type": "no_call",
    "stream_function_calling": "not_supported",
    "vision_support": "no_support",
    "video_support": "no_support",
    "audio_support": "no_support",
    "document_support": "no_support",
    "structured_output_support": "not_supported",
    "web_search_support": "not_supported",
    "user_identity_support": "support",
    "stream_include_usage": "enabled",
    "stream_mode_auth": "not_use",
    "stream_mode_delimiter": "\\n\\n",
    "encoding_format": "not_set",
}


@dataclass(frozen=True)
class WantedCredential:
    """Args:
    name: carries the key's fingerprint, see ``masking.credential_name``.
    fields: the managed fields of the form, without the key.
    api_key: empty when the endpoint wants none.
    """

    name: str
    fields: Mapping[str, str]
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class StoredCredential:
    """What Dify shows: the active credential's fields (the key masked) and all that exist for the model.

    Args:
        fields: empty when none is active.
        available: (id, name) of each credential.
    """

    fields: Mapping[str, str]
    active_id: str | None = None
    active_name: str | None = None
    available: tuple[tuple[str, str], ...] = ()


class CredentialAction(Enum):
    NOTHING = "nothing"
    ADD = "add"
    UPDATE = "update"
    SWITCH = "switch"


@dataclass(frozen=True)
class CredentialPlan:
    """The next step, the credential it is for (None for "add"), and one line of why, free of secrets."""

    action: CredentialAction
    reason: str = ""
    credential_id: str | None = None


def plan_credential(wanted: WantedCredential, stored: StoredCredential) -> CredentialPlan:
    """Plan one step towards the wanted credential; ask again after it, with what Dify shows then."""
    same_name = [id_ for id_, name in stored.available if name == wanted.name]
    if stored.active_id is None:
        ours = same_name or [id_ for id_, name in stored.available if is_credential_name(name)]
        if ours:
            reason = "the model has a credential but none is active"
            return CredentialPlan(CredentialAction.SWITCH, reason, ours[0])
        return CredentialPlan(CredentialAction.ADD, "the model has no credential")
    if same_name and stored.active_id not in same_name:
        # Names are unique for a model: renaming the active one to this name would be refused.
        reason = f"{stored.active_name} is active, wanted is {wanted.name}"
        return CredentialPlan(CredentialAction.SWITCH, reason, same_name[0])
    differences = field_differences(wanted.fields, stored.fields)
    if mask_differs(wanted, stored) or stored.active_name != wanted.name:
        differences.append("the API key is another (or was not set by this tool)")
    if differences:
        return CredentialPlan(CredentialAction.UPDATE, "; ".join(differences), stored.active_id)
    return CredentialPlan(CredentialAction.NOTHING)


def complete_fields(wanted: WantedCredential, stored: StoredCredential | None = None) -> dict[str, str]:
    """The full set to send: an update replaces everything, so unmanaged fields are carried over.

    The stored key is never carried over: what Dify shows is its mask, which it would store as the key.
    """
    kept = {name: value for name, value in stored.fields.items() if name != SECRET_FIELD} if stored else {}
    complete = {**kept, **wanted.fields}
    if wanted.api_key:
        complete[SECRET_FIELD] = wanted.api_key
    return complete


def field_differences(wanted: Mapping[str, str], shown: Mapping[str, str]) -> list[str]:
    """Say which fields differ; one that is not shown has its default."""
    found = []
    for name, value in wanted.items():
        default = FORM_DEFAULTS.get(name, "")
        effective, actual = value or default, shown.get(name) or default
        if actual != effective:
            found.append(f"{name} is {actual!r}, wanted is {effective!r}")
    return found


def mask_differs(wanted: WantedCredential, stored: StoredCredential) -> bool:
    """Whether the stored key is certainly another one; equal masks prove nothing."""
    return (stored.fields.get(SECRET_FIELD) or "") != (mask(wanted.api_key) if wanted.api_key else "")
