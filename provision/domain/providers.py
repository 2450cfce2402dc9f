"""What Dify is told about a model server: the fields of the provider's form."""

from __future__ import annotations

from typing import Literal

from provision.domain.deployment import Deployment, ModelServer
from provision.domain.settings import ModelRole

ModelType = Literal["llm", "text-embedding", "rerank"]

MODEL_TYPES: dict[ModelRole, ModelType] = {"chat": "llm", "embed": "text-embedding", "score": "rerank"}


def fields(deployment: Deployment, server: ModelServer) -> dict[str, str]:
    """The managed fields without the key; every value is text, a number makes Dify answer 500.

    Args:
        deployment: for the bot's answer length.
        server: the model and the URL under which Dify reaches it.
    """
    common = {
        "endpoint_url": server.endpoint,
        "endpoint_model_name": server.settings.served_name,
        "context_size": str(server.settings.max_model_len),
    }
    if server.role == "chat":
        return {
            **common,
            "mode": "chat",
            "max_tokens_to_sample": str(deployment.dify.bot.max_tokens),
            # "extended" makes the plugin send enable_thinking=false; "strict" only hides the thoughts.
            "compatibility_mode": "extended",
            "agent_thought_support": "not_supported",
            "function_calling_type": "no_call",
            "stream_function_calling": "not_supported",
            "vision_support": "no_support",
            "structured_output_support": "not_supported",
        }
    if server.role == "embed":
        return {**common, "max_chunks": "32"}
    return common
