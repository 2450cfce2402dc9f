"""The credentials form of openai_api_compatible 0.0.63, and how the api checks it (contract 4.3).

Source: dify-official-plugins ``models/openai_api_compatible/provider/openai_api_compatible.yaml``; the order
is the recorded one (step "model-providers").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import NotTextError, invalid_param

HIDDEN = "[__HIDDEN__]"  # instead of a secret: keep the stored one
ALL = ("llm", "text-embedding", "rerank", "speech2text", "tts")
LLM, EMBEDDING, RERANK, SPEECH, TTS = (("llm",), ("text-embedding",), ("rerank",), ("speech2text",), ("tts",))
MASK = "*" * 12


@dataclass(frozen=True)
class Variable:
    """One field of the form.

    Args:
        types: model types that show it.
        default: stored when nothing is sent, unless the field is required.
        options: the choices of a select field.
    """

    name: str
    types: tuple[str, ...]
    required: bool = False
    default: str = ""
    options: tuple[str, ...] = ()
    secret: bool = False


def _choice(name: str, types: tuple[str, ...], *options: str) -> Variable:
    return Variable(name, types, default=options[0], options=options)


FORM = (
    Variable("display_name", ALL),
    Variable("api_key", ALL, secret=True),
    Variable("language", SPEECH),
    Variable("initial_prompt", SPEECH),
    Variable("endpoint_url", ALL, required=True),
    Variable("endpoint_model_name", ALL),
    _choice("mode", LLM, "chat", "completion"),
    Variable("context_size", LLM, required=True, default="4096"),
    Variable("max_chunks", EMBEDDING, required=True, default="1"),
    Variable("context_size", EMBEDDING, required=True, default="4096"),
    _choice("encoding_format", EMBEDDING, "not_set", "float"),
    _choice("vision_support", EMBEDDING, "no_support", "support"),
    Variable("context_size", RERANK, required=True, default="4096"),
    _choice("vision_support", RERANK, "no_support", "support"),
    Variable("max_tokens_to_sample", LLM, default="4096"),
    _choice("agent_thought_support", LLM, "not_supported", "supported", "only_thinking_supported"),
    _choice("web_search_support", LLM, "not_supported", "tool_standard", "tool_simple", "parameter"),
    _choice("compatibility_mode", LLM, "strict", "extended"),
    _choice("token_param_name", LLM, "auto", "max_tokens", "max_completion_tokens"),
    _choice("user_identity_support", LLM, "support", "no_support"),
    _choice("stream_include_usage", LLM, "enabled", "disabled"),
    _choice("function_calling_type", LLM, "no_call", "tool_call", "function_call"),
    _choice("stream_function_calling", LLM, "not_supported", "supported"),
    _choice("vision_support", LLM, "no_support", "support"),
    _choice("video_support", LLM, "no_support", "support"),
    _choice("audio_support", LLM, "no_support", "support"),
    _choice("document_support", LLM, "no_support", "support"),
    _choice("structured_output_support", LLM, "not_supported", "supported"),
    _choice("stream_mode_auth", LLM, "not_use", "use"),
    Variable("stream_mode_delimiter", LLM, default="\\n\\n"),
    Variable("voices", TTS),
    Variable("tts_api_format", TTS),
    Variable("tts_resource_id", TTS),
    Variable("tts_sample_rate", TTS),
    Variable("document_prefix", EMBEDDING),
    Variable("query_prefix", EMBEDDING),
)


def complete(model_type: str, given: Mapping[str, Any]) -> dict[str, str]:
    """What is stored for the given credentials: known fields only, defaults filled in, in the form's order.

    Raises:
        ApiError: 400, a required field is missing or a choice is none of the options.
        NotTextError: a value is no text.
    """
    stored = {}
    for variable in FORM:
        if model_type not in variable.types:
            continue
        value = given.get(variable.name)
        if not value:
            if variable.required:
                raise invalid_param(f"Variable {variable.name} is required")
            if variable.default:
                stored[variable.name] = variable.default
            continue
        if not isinstance(value, str):
            raise NotTextError(f"Variable {variable.name} should be string")
        if variable.options and value not in variable.options:
            raise invalid_param(f"Variable {variable.name} is not in options")
        stored[variable.name] = value
    return stored


def masked(credentials: Mapping[str, str]) -> dict[str, str]:
    """Credentials as they are shown: secrets covered (source ``core/helper/encrypter.py``)."""
    secret = {variable.name for variable in FORM if variable.secret}
    return {name: cover(value) if name in secret else value for name, value in credentials.items()}


def cover(value: str) -> str:
    """Up to eight characters vanish; of longer ones the first six and the last two stay."""
    return "*" * 20 if len(value) <= 8 else f"{value[:6]}{MASK}{value[-2:]}"


def revealed(given: Mapping[str, Any], stored: Mapping[str, str]) -> dict[str, Any]:
    """Given credentials with stored secrets in the place of `HIDDEN`."""
    return {name: stored.get(name, value) if value == HIDDEN else value for name, value in given.items()}


def schema() -> dict[str, Any]:
    """The form as `model-providers` tells it."""
    return {
        "model": {"label": {"en_US": "Model Name"}, "placeholder": {"en_US": "Enter full model name"}},
        "credential_form_schemas": [
            {
                "variable": v.name,
                "label": {"en_US": v.name.replace("_", " ").capitalize()},
                "type": "secret-input" if v.secret else "select" if v.options else "text-input",
                "required": v.required,
                "default": v.default or None,
                "options": [{"label": {"en_US": o}, "value": o, "show_on": []} for o in v.options],
                "placeholder": None,
                "max_length": 0,
                "show_on": [] if v.types == ALL else [{"variable": "__model_type", "value": v.types[0]}],
            }
            for v in FORM
        ],
    }
