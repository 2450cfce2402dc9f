"""The form of a model provider, as its installed plugin has it: which fields Dify keeps, and their spelling.

Dify drops fields that the form does not have without a word, so they can neither be set nor compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A condition on this name asks for the model's type (``api/core/model_runtime``, schema validators).
_MODEL_TYPE = "__model_type"

# Stands for the stored secret in what is sent (``api/constants/__init__.py``, ``HIDDEN_VALUE``).
KEPT = "[__HIDDEN__]"

# Today's name of a field, and the one that plugins before 2025-12-08 have.
_OLD_SPELLINGS: Mapping[str, str] = {"agent_thought_support": "agent_though_support"}


@dataclass(frozen=True)
class FormField:
    """A field and when it is shown: `conditions` are (other field or the model type, its value).

    The value of a `secret` one is masked when it is read.
    """

    name: str
    default: str = ""
    conditions: tuple[tuple[str, str], ...] = ()
    secret: bool = False


@dataclass(frozen=True)
class ProviderForm:
    """The fields of every model type; a name may be there once for each type."""

    fields: tuple[FormField, ...]

    @classmethod
    def parse(cls, schema: Any) -> ProviderForm | None:
        """Read ``model_credential_schema`` of a provider; None when it is not as expected."""
        listed = schema.get("credential_form_schemas") if isinstance(schema, Mapping) else None
        if not isinstance(listed, list) or not all("variable" in item for item in listed):
            return None
        return cls(tuple(_field(item) for item in listed))

    def fitted(self, wanted: Mapping[str, str], model_type: str) -> dict[str, str]:
        """The wanted fields that this form keeps for a model of this type, under its names for them."""
        defaults = {field.name: field.default for field in self.fields if field.default}
        values = {**defaults, **wanted, _MODEL_TYPE: model_type}
        kept = {
            field.name
            for field in self.fields
            if all(values.get(name, "") == value for name, value in field.conditions)
        }
        return dict(_spelled(wanted.items(), kept))

    def sendable(self, shown: Mapping[str, str]) -> dict[str, str]:
        """What was read as it can be sent back: a mask would be stored as the secret itself."""
        secret = {field.name for field in self.fields if field.secret}
        return {name: KEPT if name in secret and value else value for name, value in shown.items()}


def _field(item: Mapping[str, Any]) -> FormField:
    conditions = tuple((str(one["variable"]), str(one["value"])) for one in item.get("show_on") or ())
    return FormField(
        str(item["variable"]), str(item.get("default") or ""), conditions, item.get("type") == "secret-input"
    )


def _spelled(wanted: Iterable[tuple[str, str]], kept: set[str]) -> Iterable[tuple[str, str]]:
    for name, value in wanted:
        old = _OLD_SPELLINGS.get(name)
        if name in kept:
            yield name, value
        elif old in kept:
            yield old, value
