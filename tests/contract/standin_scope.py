"""What of the recording the stand-in has to reproduce, and where it is allowed to differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

NEWEST = "1.16.1"

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


# Steps of older versions' recordings.
OLDER = {
    r"before: system-features|features$|workspaces/current|workspaces$": "told to the console's pages only",
    r".* with (a dataset-style|dataset) key|.* app key$": "which key was sent was not recorded",
    r"authorization: ": "how the header was spelt was not recorded",
    r"webapp access-mode|conversations$|account timezone": "the deploy does not ask for it",
    r"document create-by-file": "the deploy sends texts",
    r"(disable|enable) llm|.*while disabled|made app: PUT rename with": "the deploy does not do it",
    r"1\.12 style: (POST|DELETE) models/credentials": "the deploy asks each version in its own way",
}
# The plugin in the recording of 1.3.1 is another than the lab's 0.0.63.
OLDEST = {
    r"validate llm: endpoint_model_name|validate embedding: no max_chunks|add second llm name": "its form",
    r"parameter rules": "its parameters",
    r"default-model: wrong model_type": "the deploy sends no such type",
    r"0\.0\.\d+: (validate llm, endpoint_model_name|chatflow)": "its form; a workflow app",
    r"worker down: ": "the plugin daemon, once stopped, is not started again in these tests",
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
OLDER_DEVIATIONS = (
    Deviation(
        r"documents list \(v1\) after 4 more",
        r"\.data|\.data\[0\]\.(tokens|word_count)",
        "one of them was made of a file; the one after it is indexed or not, by chance",
    ),
    Deviation(
        r"document indexing-status",
        r"\.data\[0\]\.(parsing_|cleaning_|splitting_|)completed_at",
        "how far the worker is, is a matter of moments; that it ends is seen in the list",
    ),
    Deviation(
        r"datasets list \(v1\)",
        r"\.data\[\d\]\.retrieval_model_dict\..*",
        "those that were made in one second have no order there",
    ),
    Deviation(
        r"(0\.0\.\d+: )?retrieve.*|hit-testing.*",
        r"\.records\[\d\]\.segment\.keywords",
        "keywords are beyond the lab",
    ),
    Deviation(
        r"app list.*|apps (left|\(empty).*",
        r"\.data|\.recommended_apps|\.data\[1\]\.model_config",
        "imports that failed or made other kinds of apps have left apps there",
    ),
    Deviation(
        r"(0\.0\.\d+: )?credentials .*",
        r"\.credentials\.agent_though_support",
        "the plugin there is older and spells it so",
    ),
)
# What each server puts into its texts for itself: a request's number, the version of a library.
SERVERS_OWN = re.compile(r"req_id: \w+ |(?<=errors\.pydantic\.dev/)[\d.]+(?=/)")
# Texts of errors that are not compared: step and why. The code of an error always is.
OTHER_TEXTS = (
    (r"add llm: wrong endpoint", "the port of the refusing endpoint is in it"),
    (
        r"webapp passport: wrong code|(webapp )?passport while (the )?site is off",
        "Flask's guess of other routes",
    ),
    (r"chat: unknown conversation", "Flask's guess of other routes"),
)


OLDER_TEXTS = (
    (r"add llm: (wrong .*|endpoint .*)|overwrite llm: .*", "plugin 0.0.16 does not tell the endpoint's body"),
)


def reason_out_of_scope(step: str, path: str, version: str = NEWEST) -> str | None:
    """Why a recorded step is not compared; ``None`` when it is."""
    older: dict[str, str] = {} if version == NEWEST else OLDER
    oldest: dict[str, str] = OLDEST if version == "1.3.1" else {}
    for patterns, text in ((OUT_OF_SCOPE, path), (OTHER_APPS, step), (older, step), (oldest, step)):
        for pattern, reason in patterns.items():
            if re.match(pattern, text):
                return reason
    return None


def deviation(step: str, difference: str, older: bool = False) -> Deviation | None:
    """The deviation that allows a difference; ``None`` when none does."""
    path = difference.partition(":")[0]
    known = (*DEVIATIONS, *OLDER_DEVIATIONS) if older else DEVIATIONS
    return next((d for d in known if re.fullmatch(d.step, step) and re.fullmatch(d.path, path)), None)


def same_text(step: str, recorded: Any, live: Any, older: bool) -> bool:
    """Whether an error's text is the recorded one, or is not compared."""
    said = [SERVERS_OWN.sub("", str(text)) for text in (recorded, live)]
    return said[0] == said[1] or any(
        re.fullmatch(pattern, step) for pattern, _ in (*OTHER_TEXTS, *(OLDER_TEXTS if older else ()))
    )
