"""The chatbot's configuration: what we manage of it, how it differs, and what to send.

``POST …/model-config`` replaces the whole configuration and is the publication, so an unmanaged key that
is left out is lost: the configuration is read, changed and written back as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.domain.wiring.retrieval import Attachment

# Every key that the server accepts, with the web console's own starting values
# (``api/services/app_model_config_service.py``; a missing dataset_configs.retrieval_model would become
# "single", the old routing to one knowledge base).
_STARTING_CONFIGURATION: Mapping[str, Any] = {
    "pre_prompt": "",
    "prompt_type": "simple",
    "chat_prompt_config": {},
    "completion_prompt_config": {},
    "user_input_form": [],
    "dataset_query_variable": "",
    "opening_statement": "",
    "suggested_questions": [],
    "suggested_questions_after_answer": {"enabled": False},
    "speech_to_text": {"enabled": False},
    "text_to_speech": {"enabled": False, "voice": "", "language": ""},
    "retriever_resource": {"enabled": True},
    "sensitive_word_avoidance": {"enabled": False},
    "external_data_tools": [],
    "more_like_this": {"enabled": False},
    "model": {},
    "agent_mode": {"enabled": False, "tools": []},
    "dataset_configs": {
        "retrieval_model": "multiple",
        "top_k": 4,
        "score_threshold_enabled": False,
        "score_threshold": 0.5,
        "reranking_enable": False,
        "datasets": {"datasets": []},
    },
    "file_upload": {
        "image": {
            "enabled": False,
            "number_limits": 3,
            "detail": "high",
            "transfer_methods": ["remote_url", "local_file"],
        }
    },
}


@dataclass(frozen=True)
class BotConfiguration:
    """The managed part of a chatbot.

    Args:
        provider: three parts, ``author/plugin/provider``; the short name is accepted but not found later.
        completion_params: sampling parameters, as the model plugin names them.
        knowledge: None leaves the datasets as they are.
    """

    provider: str
    model: str
    prompt: str
    completion_params: Mapping[str, Any] = field(default_factory=dict)
    opening_statement: str = ""
    suggested_questions: Sequence[str] = ()
    knowledge: Attachment | None = None

    def managed(self) -> dict[str, Any]:
        """The managed keys as they look in a configuration, without the knowledge."""
        return {
            "prompt_type": "simple",
            "pre_prompt": self.prompt,
            "opening_statement": self.opening_statement,
            "suggested_questions": list(self.suggested_questions),
            "model": {
                "provider": self.provider,
                "name": self.model,
                "mode": "chat",
                "completion_params": dict(self.completion_params),
            },
        }


def configuration_differences(wanted: BotConfiguration, shown: Mapping[str, Any] | None) -> list[str]:
    """Name the managed keys that differ; the server's own normalisation is no difference.

    Args:
        shown: ``model_config`` of the app's detail, None when the app was never configured.
    """
    target = _normalised(wanted.managed())
    actual = _normalised(shown or {})
    differing = [key for key in target if key != "model" and actual.get(key) != target[key]]
    differing += [
        f"model.{key}" for key in target["model"] if actual["model"].get(key) != target["model"][key]
    ]
    if wanted.knowledge and wanted.knowledge.differs(_datasets(shown)):
        differing.append("knowledge")
    if wanted.knowledge and not _cites(shown):
        differing.append("citations")
    return differing


def merged_configuration(wanted: BotConfiguration, shown: Mapping[str, Any] | None) -> dict[str, Any]:
    """The full configuration to send: what is there, with the managed keys replaced.

    Nulls are left out. A new app shows them (``opening_statement``, ``agent_mode.strategy``), but the
    server checks types when they are written.
    """
    kept = _without_nulls(
        {key: value for key, value in (shown or {}).items() if key in _STARTING_CONFIGURATION}
    )
    merged = {**_STARTING_CONFIGURATION, **kept, **wanted.managed()}
    if wanted.knowledge:
        merged["dataset_configs"] = wanted.knowledge.merged(merged["dataset_configs"])
        merged["retriever_resource"] = {**merged["retriever_resource"], "enabled": True}
    return merged


def _datasets(shown: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (shown or {}).get("dataset_configs") or {}


def _cites(shown: Mapping[str, Any] | None) -> bool:
    """Whether answers say which documents they used."""
    return bool(((shown or {}).get("retriever_resource") or {}).get("enabled"))


def _normalised(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Undo what the server does to managed keys: nulls for empty, ``mode`` and ``stop`` filled in."""
    model = dict(configuration.get("model") or {})
    params = dict(model.get("completion_params") or {})
    if not params.get("stop"):
        params.pop("stop", None)
    return {
        "prompt_type": configuration.get("prompt_type") or "simple",
        "pre_prompt": configuration.get("pre_prompt") or "",
        "opening_statement": configuration.get("opening_statement") or "",
        "suggested_questions": list(configuration.get("suggested_questions") or []),
        "model": {
            "provider": model.get("provider"),
            "name": model.get("name"),
            "completion_params": params,
        },
    }


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nulls(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item is not None
    }
