"""Rented boxes: a provider's name supplies defaults, a setting that is given wins."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from provision.domain.deployment import ModelServer, deployment
from provision.domain.gpu_providers import PROVIDERS, ProviderName
from provision.domain.validation import SettingsError


def server(serving: dict[str, Any], **embed: Any) -> ModelServer:
    groups = {"chat": ["c"], "embed": ["e"], "dify": ["d"]}
    data: dict[str, dict[str, Any]] = {name: {"ssh_hostname": f"{name}.example.com"} for name in "ced"}
    data["e"] |= {"serving": serving, "embed": {"transport": "direct", **embed}}
    return deployment(groups, data).servers["embed"]


@pytest.mark.parametrize(
    ("name", "data_dir", "user", "port"),
    [
        (None, "/srv/dify-vllm", "dify-vllm", 8080),
        ("gpushare", "/hy-tmp/dify-vllm", "dify-vllm", 8080),
        ("autodl", "/root/autodl-tmp/dify-vllm", "root", 6006),
        ("runpod", "/workspace/dify-vllm", "dify-vllm", 8080),
        ("vast.ai", "/workspace/dify-vllm", "dify-vllm", 8080),
    ],
)
def test_defaults(name: str | None, data_dir: str, user: str, port: int) -> None:
    found = server({"provider": name, "data_dir": None, "user": None}, listen_port=None)
    assert (found.serving.data_dir, found.serving.user, found.settings.listen_port) == (data_dir, user, port)
    assert found.endpoint == f"http://e.example.com:{port}/v1"


def test_what_is_given_wins() -> None:
    found = server({"provider": "autodl", "data_dir": "/data", "user": "me"}, listen_port=6008)
    assert (found.serving.data_dir, found.serving.user, found.settings.listen_port) == ("/data", "me", 6008)


def test_below_root_only_root_serves_unless_somebody_else_is_named() -> None:
    assert server({"data_dir": "/root/models"}).serving.user == "root"
    assert server({"data_dir": "/rootless"}).serving.user == "dify-vllm"
    assert server({"data_dir": "/root/models", "user": "me"}).serving.user == "me"


@pytest.mark.parametrize("wrong", ["vast", "Gpushare", 5, ["autodl"]])
def test_an_unknown_provider_is_refused(wrong: object) -> None:
    with pytest.raises(SettingsError, match=r"^e: serving\.provider") as caught:
        server({"provider": wrong})
    assert "'gpushare', 'autodl', 'runpod' or 'vast.ai'" in str(caught.value)


def test_every_name_has_its_preset() -> None:
    assert set(PROVIDERS) == set(get_args(ProviderName))
