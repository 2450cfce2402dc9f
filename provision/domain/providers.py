"""What Dify is told about a model server: the fields of the provider's form."""

from __future__ import annotations

from typing import Literal

from provision.domain.deployment import Deployment, ModelServer
from provision.domain.settings import ChatSettings, ModelRole

ModelType = Literal["llm", "text-embedding", "rerank"]

MODEL_TYPES: dict[ModelRole, ModelType] = {"chat": "llm", "embed": "text-embedding", "score": "rerank"}


# The field by which the plugin switches thinking off for real (0.0.16, for one, has none), and the ways out.
SWITCHES_THINKING = {
    "compatibility_mode": "vLLM on that host lets the model think (before 0.14 it cannot switch it off), and "
    "this plugin would only hide its thoughts: upgrade dify.plugin or vLLM, or set chat.thinking = True"
}


def fields(deployment: Deployment, server: ModelServer, context_size: int) -> dict[str, str]:
    """The managed fields without the key; every value is text, a number makes Dify answer 500.

    Args:
        deployment: for the bot's answer length.
        server: the model and the URL under which Dify reaches it.
        context_size: tokens that Dify is told the model reads.
    """
    common = {
        "endpoint_url": server.endpoint,
        "endpoint_model_name": server.settings.served_name,
        "context_size": str(context_size),
    }
    if isinstance(server.settings, ChatSettings):
        return {
            **common,
            "mode": "chat",
            "max_tokens_to_sample": str(deployment.dify.bot.max_tokens),
            # With "not_supported" and "extended" the plugin sends enable_thinking=false in every question;
            # "strict" only hides the thoughts. With "supported" it leaves the choice to the server
            # (langgenius/dify-official-plugins, openai_api_compatible, ``models/llm/llm.py``).
            "compatibility_mode": "extended",
            "agent_thought_support": "supported" if server.settings.thinking else "not_supported",
            "function_calling_type": "no_call",
            "stream_function_calling": "not_supported",
            "vision_support": "no_support",
            "structured_output_support": "not_supported",
        }
    if server.role == "embed":
        return {**common, "max_chunks": "32"}
    return common
