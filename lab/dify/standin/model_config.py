"""A chat app's configuration: what is accepted, what is filled in, how it reads back (contract 6.2).

Source: ``api/core/app/app_config`` (validators) and ``models/model.py`` (AppModelConfig).
"""

from __future__ import annotations

from typing import Any

from . import models, provider
from .context import Site
from .errors import invalid_param

MOST_STOPS = 4
NO_IMAGES = {
    "image": {
        "enabled": False,
        "number_limits": 3,
        "detail": "high",
        "transfer_methods": ["remote_url", "local_file"],
    }
}
# What a row holds that was never configured; the order is the recorded one.
UNSET: dict[str, Any] = {
    "opening_statement": None,
    "suggested_questions": [],
    "suggested_questions_after_answer": {"enabled": False},
    "speech_to_text": {"enabled": False},
    "text_to_speech": {"enabled": False},
    "retriever_resource": {"enabled": True},
    "annotation_reply": {"enabled": False},
    "more_like_this": {"enabled": False},
    "sensitive_word_avoidance": {"enabled": False, "type": "", "config": {}},
    "external_data_tools": [],
    "model": None,
    "user_input_form": [],
    "dataset_query_variable": None,
    "pre_prompt": None,
    "agent_mode": {"enabled": False, "strategy": None, "tools": [], "prompt": None},
    "prompt_type": "simple",
    "chat_prompt_config": {},
    "completion_prompt_config": {},
    "dataset_configs": {"retrieval_model": "multiple"},
    "file_upload": NO_IMAGES,
}
SWITCHES = ("suggested_questions_after_answer", "speech_to_text", "retriever_resource")


def fresh(model: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a new app."""
    return UNSET | {"model": model}


def accepted(site: Site, given: dict[str, Any]) -> dict[str, Any]:
    """The configuration that is stored for what was sent: normalised, unknown keys dropped.

    Raises:
        ApiError: 400 with the real one's text.
    """
    config = {**UNSET, "model": _model(site, given)}
    config["user_input_form"] = _typed(given, "user_input_form", list, [])
    config["external_data_tools"] = _typed(given, "external_data_tools", list, [])
    config["file_upload"] = _typed(given, "file_upload", dict, {}) or NO_IMAGES
    config |= _prompt(given)
    config |= _datasets(given)
    config["opening_statement"] = _typed(given, "opening_statement", str, "")
    config["suggested_questions"] = _typed(given, "suggested_questions", list, [])
    config |= {name: _switch(given, name) for name in SWITCHES}
    config["text_to_speech"] = _speech(given)
    avoidance = _switch(given, "sensitive_word_avoidance")
    # Only this much comes back since 1.16.0: a strict comparison of sent and read never settles.
    config["sensitive_word_avoidance"] = (
        {"enabled": avoidance["enabled"]}
        if site.settings.since("1.16.0")
        else {"type": "", "configs": [], **avoidance}
    )
    return config


def _model(site: Site, given: dict[str, Any]) -> dict[str, Any]:
    if "model" not in given:
        raise invalid_param("model is required")
    model = given["model"]
    if not isinstance(model, dict):
        raise invalid_param("model must be of object type")
    known = provider.installed(site)
    name = provider.full_name(str(model.get("provider", "")))
    if "provider" not in model or name not in known:
        raise invalid_param(f"model.provider is required and must be in {known}")
    if "name" not in model:
        raise invalid_param("model.name is required")
    listed = (each for each in models.available(site, "llm") if each["model"] == model["name"])
    entry = next(listed, None)
    if entry is None:
        raise invalid_param("model.name must be in the specified model list")
    if "completion_params" not in model:
        raise invalid_param("model.completion_params is required")
    mode = (models.schema(site, entry) or {})["mode"]
    return {
        **model,
        "provider": name,
        "mode": mode,
        "completion_params": _parameters(model["completion_params"]),
    }


def _parameters(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise invalid_param("model.completion_params must be of object type")
    stops = given.get("stop", [])
    if not isinstance(stops, list):
        raise invalid_param("stop in model.completion_params must be of list type")
    if len(stops) > MOST_STOPS:
        raise invalid_param("stop sequences must be less than 4")
    return {**given, "stop": stops}


def _prompt(given: dict[str, Any]) -> dict[str, Any]:
    kind = given.get("prompt_type") or "simple"
    if kind not in {"simple", "advanced"}:
        raise invalid_param("prompt_type must be in ['simple', 'advanced']")
    chat = _typed(given, "chat_prompt_config", dict, {})
    completion = _typed(given, "completion_prompt_config", dict, {})
    if kind == "advanced" and not chat and not completion:
        raise invalid_param(
            "chat_prompt_config or completion_prompt_config is required when prompt_type is advanced"
        )
    return {
        "prompt_type": kind,
        "pre_prompt": _typed(given, "pre_prompt", str, ""),
        "chat_prompt_config": chat,
        "completion_prompt_config": completion,
    }


def _datasets(given: dict[str, Any]) -> dict[str, Any]:
    agent = _typed(given, "agent_mode", dict, {})
    datasets = _typed(given, "dataset_configs", dict, {})
    return {
        "agent_mode": {
            **agent,
            "enabled": agent.get("enabled") or False,
            "tools": agent.get("tools") or [],
            "strategy": agent.get("strategy") or "router",
        },
        # Without a retrieval model it falls back to the old single routing.
        "dataset_configs": {
            **datasets,
            "retrieval_model": datasets.get("retrieval_model", "single"),
            "datasets": datasets.get("datasets") or {"strategy": "router", "datasets": []},
        },
        "dataset_query_variable": given.get("dataset_query_variable"),
    }


def _switch(given: dict[str, Any], name: str) -> dict[str, Any]:
    found = _typed(given, name, dict, {})
    enabled = found.get("enabled") or False
    if not isinstance(enabled, bool):
        raise invalid_param(f"enabled in {name} must be of boolean type")
    return {**found, "enabled": enabled}


def _speech(given: dict[str, Any]) -> dict[str, Any]:
    found = _switch(given, "text_to_speech")
    return found if found["enabled"] else {**found, "voice": "", "language": ""}


def _typed(given: dict[str, Any], name: str, kind: type, empty: Any) -> Any:
    value = given.get(name) or empty
    if not isinstance(value, kind):
        called = {"str": "string", "dict": "object"}.get(kind.__name__, kind.__name__)
        raise invalid_param(f"{name} must be of {called} type")
    return value


def missing_input(config: dict[str, Any], inputs: dict[str, Any]) -> str | None:
    """The first required input of the app's form that a question leaves out."""
    for item in config["user_input_form"]:
        for asked in item.values():
            if asked.get("required") and not inputs.get(asked.get("variable")):
                return str(asked.get("variable"))
    return None
