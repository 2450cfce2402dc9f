"""What Dify is told of a model: what its endpoint says, and what its settings say."""

from __future__ import annotations

import pytest

from provision.domain.deployment import Deployment, ModelServer
from provision.domain.providers import SWITCHES_THINKING, fields
from provision.domain.settings import (
    ChatSettings,
    DifySettings,
    EmbedSettings,
    ScoreSettings,
    ServingSettings,
)

DEPLOYMENT = Deployment({}, "win", DifySettings(), "http://win:81")
URL = "http://gpu:8080/v1"


def chat(**settings: bool) -> ModelServer:
    return ModelServer("chat", "gpu", ChatSettings(**settings), ServingSettings(), URL)


@pytest.mark.parametrize(
    "server",
    [
        chat(),
        ModelServer("embed", "gpu", EmbedSettings(), ServingSettings(), URL),
        ModelServer("score", "gpu", ScoreSettings(), ServingSettings(), URL),
    ],
)
def test_the_context_is_what_the_endpoint_says(server: ModelServer) -> None:
    sent = fields(DEPLOYMENT, server, 2048)
    assert sent["context_size"] == "2048"
    assert (sent["endpoint_url"], sent["endpoint_model_name"]) == (URL, server.settings.served_name)
    assert all(isinstance(value, str) for value in sent.values())


@pytest.mark.parametrize(("thinking", "told"), [(False, "not_supported"), (True, "supported")])
def test_thinking_is_switched_off_in_every_question_or_left_to_the_server(thinking: bool, told: str) -> None:
    sent = fields(DEPLOYMENT, chat(thinking=thinking), 1024)
    assert (sent["compatibility_mode"], sent["agent_thought_support"]) == ("extended", told)
    assert SWITCHES_THINKING.keys() <= sent.keys()
