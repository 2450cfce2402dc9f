"""The credential of a tool: compare what Dify shows with what is wanted, and plan one step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

# What the names of ours begin with; Dify allows 30 characters.
PREFIX = "dify-vllm-deploy-"


@dataclass(frozen=True)
class WantedTool:
    """Args:
    fields: the whole form.
    masked: names of those that Dify masks.
    """

    fields: Mapping[str, str]
    masked: frozenset[str]

    @property
    def name(self) -> str:
        """Changes when a masked field does; two of one length and the same ends look alike otherwise."""
        values = "\0".join(self.fields[name] for name in sorted(self.masked))
        return PREFIX + hashlib.sha256(values.encode()).hexdigest()[:8]

    def shown(self) -> dict[str, str]:
        """The fields as Dify shows them."""
        return {name: _mask(value) if name in self.masked else value for name, value in self.fields.items()}


@dataclass(frozen=True)
class StoredTool:
    """A credential as Dify shows it; one without a name or an id is from before 1.7.0."""

    fields: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    name: str | None = None
    is_default: bool = True


class ToolAction(Enum):
    NOTHING = "nothing"
    ADD = "add"
    UPDATE = "update"
    PREFER = "prefer"


@dataclass(frozen=True)
class ToolPlan:
    """What to do with which credential, and one line of why."""

    action: ToolAction
    reason: str = ""
    credential_id: str | None = None


def plan_tool(wanted: WantedTool, stored: Sequence[StoredTool]) -> ToolPlan:
    """Compare. Those that were made by hand stay; ours becomes the one that apps use by default.

    Args:
        stored: all there are; from before 1.7.0 at most one, which is then ours whoever made it.
    """
    ours = [each for each in stored if each.name is None or each.name.startswith(PREFIX)]
    if not ours:
        return ToolPlan(ToolAction.ADD, "the tool has no credential of ours")
    one = next((each for each in ours if each.name == wanted.name), ours[0])
    differing = [name for name, value in wanted.shown().items() if one.fields.get(name) != value]
    if one.name not in (None, wanted.name) or differing:
        return ToolPlan(
            ToolAction.UPDATE, f"these differ: {', '.join(differing) or 'a masked field'}", one.id
        )
    if not one.is_default:
        return ToolPlan(ToolAction.PREFER, "another credential is the default", one.id)
    return ToolPlan(ToolAction.NOTHING)


def _mask(value: str) -> str:
    """``api/core/tools/utils/encryption.py``, ``mask_tool_credentials``: other than a model's key."""
    return "*" * len(value) if len(value) <= 6 else f"{value[:2]}{'*' * (len(value) - 4)}{value[-2:]}"
