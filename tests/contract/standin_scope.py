"""What of the recording the stand-in has to reproduce, and where it is allowed to differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Routes that the deploy never calls.
OUT_OF_SCOPE = {
    r"/console/api/apps/imports": "DSL import: it cannot overwrite a chat app; the deploy uses POST /apps",
    r"/console/api/apps/[^/]+/export": "DSL export",
    r"/console/api/apps/[^/]+/workflows": "workflow apps: the bot is a plain chat app",
    r"/console/api/workspaces/current/rbac": "role based access: no such thing in the community edition",
    r"/console/api/workspaces/current/plugin/icon": "pictures for the console",
    r"/console/api/workspaces/current/plugin/readme": "texts for the console",
    r"/console/api/workspaces/current/plugin/tool/list": "tools: the bot has none",
    r"/console/api/features/vector-space": "a quota of the cloud edition",
}
# Steps on other routes that need an app of another kind.
OTHER_APPS = {
    r"chatflow |outage: chatflow|worker (down|back): chatflow": "a workflow app, made by DSL import",
    r"agent: ": "an agent app, with tools",
    r"worker (down|back): (document|indexing)": "the worker is a thread of the api in these tests",
}


@dataclass(frozen=True)
class Deviation:
    """A difference of shapes that is meant.

    Args:
        step: pattern of the step's name.
        path: pattern of where it is, as `shapes.differences` writes it.
    """

    step: str
    path: str
    why: str


DEVIATIONS = (
    Deviation(
        r".*model-providers.*",
        r"\.data\[\d+\]\.model_credential_schema\..*",
        "the recorder kept the names of the form's fields only; they are compared by themselves",
    ),
    Deviation(
        r"app detail.*|site-enable|api-enable",
        r"\.model_config\.sensitive_word_avoidance\.(configs|type)",
        "an import stores the configuration as it is, POST model-config normalises it",
    ),
    Deviation(
        r"app list.*",
        r"\.data|\.data\[0\]\.model_config",
        "two more apps are in the list there: a workflow, which comes first, and one by a confirmed import",
    ),
)
# Texts of errors that are not compared: step and why. The code of an error always is.
OTHER_TEXTS = (
    (r"add llm: wrong endpoint", "the port of the refusing endpoint is in it"),
    (r"webapp passport: wrong code|webapp passport while the site is off", "Flask's guess of other routes"),
    (r"chat: unknown conversation", "Flask's guess of other routes"),
)


def reason_out_of_scope(step: str, path: str) -> str | None:
    """Why a recorded step is not compared; ``None`` when it is."""
    for patterns, text in ((OUT_OF_SCOPE, path), (OTHER_APPS, step)):
        for pattern, reason in patterns.items():
            if re.match(pattern, text):
                return reason
    return None


def deviation(step: str, difference: str) -> Deviation | None:
    """The deviation that allows a difference; ``None`` when none does."""
    path = difference.partition(":")[0]
    return next((d for d in DEVIATIONS if re.fullmatch(d.step, step) and re.fullmatch(d.path, path)), None)


def same_text(step: str, recorded: Any, live: Any) -> bool:
    """Whether an error's text is the recorded one, or is not compared."""
    return recorded == live or any(re.fullmatch(pattern, step) for pattern, _ in OTHER_TEXTS)
