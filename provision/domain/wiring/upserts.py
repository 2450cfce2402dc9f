"""The one credential that a model has in Dify 1.7.2 and older: a plain form, overwritten as a whole.

It has no name to carry the key's fingerprint, so the form's ``display_name`` does: the model's label in
Dify's pickers, stored and shown verbatim. With a form that lacks it, keys are told apart by their masks
alone, which betray neither a change in a key's middle nor any between keys of eight characters or less.
"""

from __future__ import annotations

from dataclasses import replace

from provision.domain.wiring.credentials import (
    CredentialAction,
    CredentialPlan,
    StoredCredential,
    WantedCredential,
    field_differences,
    mask_differs,
)
from provision.domain.wiring.masking import is_credential_name

LABEL_FIELD = "display_name"
# Parts the label from the fingerprint.
_BEFORE = " · "


def labelled(wanted: WantedCredential, model: str, stored: StoredCredential) -> WantedCredential:
    """The same with the fingerprint in the label, after the wanted label, or the one that the owner gave the
    model, or else the model's name."""
    owners = own_label(stored)
    label = f"{wanted.fields.get(LABEL_FIELD) or owners or model}{_BEFORE}{wanted.name}"
    return replace(wanted, fields={**wanted.fields, LABEL_FIELD: label})


def own_label(stored: StoredCredential) -> str:
    """The label without the fingerprint that this tool may have put there."""
    label = stored.fields.get(LABEL_FIELD) or ""
    text, parted, fingerprint = label.rpartition(_BEFORE)
    return text if parted and is_credential_name(fingerprint) else label


def is_labelled(stored: StoredCredential) -> bool:
    """Whether this tool put its fingerprint there."""
    return own_label(stored) != (stored.fields.get(LABEL_FIELD) or "")


def plan_upsert(wanted: WantedCredential, stored: StoredCredential) -> CredentialPlan:
    """Plan the one step there is, to write or not.

    Args:
        wanted: labelled, unless the form has no label.
    """
    if not stored.fields:
        return CredentialPlan(CredentialAction.ADD, "the model has no credential")
    others = {name: value for name, value in wanted.fields.items() if name != LABEL_FIELD}
    differences = field_differences(others, stored.fields)
    label = wanted.fields.get(LABEL_FIELD)
    if mask_differs(wanted, stored) or label not in (None, stored.fields.get(LABEL_FIELD)):
        differences.append("the API key is another (or was not set by this tool)")
    if differences:
        return CredentialPlan(CredentialAction.UPDATE, "; ".join(differences))
    return CredentialPlan(CredentialAction.NOTHING)
