"""Where a tool's credential is kept, and how one is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provision.dify.reply import Reply
from provision.domain.wiring.tool_credentials import StoredTool, ToolAction, ToolPlan, WantedTool


@dataclass(frozen=True)
class ToolDialect:
    """Args:
    stored: reads ``…/credentials``.
    write: the last part of the path, and the body, of a step.
    """

    stored: Callable[[Reply], list[StoredTool]]
    write: Callable[[ToolPlan, WantedTool], tuple[str, Mapping[str, Any]]]


def _one(reply: Reply) -> list[StoredTool]:
    return [StoredTool(reply.body)] if reply.body else []


def _upsert(plan: ToolPlan, wanted: WantedTool) -> tuple[str, Mapping[str, Any]]:
    del plan  # the same call adds and overwrites
    return "update", {"credentials": dict(wanted.fields)}


def _several(reply: Reply) -> list[StoredTool]:
    return [
        StoredTool(
            item.get("credentials") or {}, str(item["id"]), str(item["name"]), bool(item.get("is_default"))
        )
        for item in reply.items
    ]


def _named(plan: ToolPlan, wanted: WantedTool) -> tuple[str, Mapping[str, Any]]:
    if plan.action is ToolAction.PREFER:
        return "default-credential", {"id": plan.credential_id}
    body = {"credentials": dict(wanted.fields), "name": wanted.name}
    if plan.action is ToolAction.ADD:
        return "add", {**body, "type": "api-key"}
    return "update", {**body, "credential_id": plan.credential_id}


UPSERTED = ToolDialect(_one, _upsert)
NAMED = ToolDialect(_several, _named)
