"""What Dify is told, in its order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.dify.resources import PluginAutoUpgrade
from provision.domain.deployment import deployment
from tasks import wire

GROUPS = {"chat": ["a"], "embed": ["b"], "score": ["c"], "dify": ["d"]}
PAINTER = {"base_url": "http://10.0.0.9:7860", "model": "v1-5-pruned"}
BEFORE = [
    "Reach the chat model as Dify will",
    "Reach the embed model as Dify will",
    "Reach the score model as Dify will",
    "Create the administrator",
    "Keep the administrator's own password",
    "Install the plugin for OpenAI-compatible models",
    "Set how plugins upgrade themselves",
    "Connect the chat model",
    "Connect the embed model",
    "Connect the score model",
    "Set the default models",
    "Look for models that left",
]
KNOWLEDGE = ["Make an API key for datasets", "Index what is in knowledge/example"]
BOT = ["Create and publish the chatbot", "Switch on its page and its API", "Make an API key"]
PICTURES = [
    "Reach Stable Diffusion as Dify will",
    "Install the plugin for Stable Diffusion",
    "Set how plugins of tools upgrade themselves",
    "Connect Stable Diffusion",
]


def wired(monkeypatch: pytest.MonkeyPatch, **dify: Any) -> dict[str, Any]:
    """Operations by name, each with its arguments."""
    done: dict[str, Any] = {}

    def remember(name: str, **arguments: Any) -> None:
        assert name not in done
        done[name] = arguments

    monkeypatch.setattr(wire, "host", SimpleNamespace(name="d", loop=iter, log=print))
    monkeypatch.setattr(wire, "endpoint", SimpleNamespace(reachable=remember))
    for operation in ("resource", "adopted", "draws"):
        monkeypatch.setattr(wire, operation, remember)
    data: dict[str, dict[str, Any]] = {
        name: {"ssh_hostname": f"10.0.0.{number}"} for number, name in enumerate("abcd", 1)
    }
    data["d"]["dify"] = dify
    wire.wire._inner(deployment(GROUPS, data))  # type: ignore[attr-defined]
    return done


def categories(done: dict[str, Any]) -> list[str]:
    """Of plugins whose upgrades are set."""
    names = [name for name in done if name.endswith("upgrade themselves")]
    made = [done[name]["make"](None) for name in names]
    assert all(isinstance(each, PluginAutoUpgrade) and each.strategy == "fix_only" for each in made)
    return [each.category for each in made]


def test_without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    done = wired(monkeypatch, plugin_auto_upgrade="fix_only")
    assert [*done] == BEFORE + BOT
    assert categories(done) == ["model"]


def test_with_knowledge_and_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"folders": ["example"]}
    done = wired(monkeypatch, plugin_auto_upgrade="fix_only", knowledge=known, stable_diffusion=PAINTER)
    assert [*done] == BEFORE + KNOWLEDGE + BOT + PICTURES
    assert categories(done) == ["model", "tool"]
    extras = {name: arguments.get("extra", "") for name, arguments in done.items()}
    assert {name for name, extra in extras.items() if extra == "pictures"} == {*PICTURES[1:]}
