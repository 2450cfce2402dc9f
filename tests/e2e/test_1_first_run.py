"""Bare hosts: a dry run changes nothing, one run does everything."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import HOSTS, SECRETS, Run, Watch


def test_a_dry_run_on_bare_hosts_prints_the_plan(bare: tuple[Run, dict[str, str], dict[str, str]]) -> None:
    run = bare[0]
    assert run.code == 0, run.output[-4000:]
    assert run.changed["Serving | Install vLLM"] == ["gpu-chat", "gpu-embed", "gpu-score"]
    assert run.changed["Serving | Have supervisord run"] == ["gpu-score"]
    assert run.changed["Wiring | Create and publish the chatbot"] == ["dify-wsl"]


def test_a_dry_run_changes_nothing(bare: tuple[Run, dict[str, str], dict[str, str]]) -> None:
    _, before, after = bare
    for name in HOSTS:
        assert before[name].count("\n") > 500
        assert after[name] == before[name]


def test_the_first_run_does_it_all_and_shows_the_way_in(
    converged: tuple[Run, Watch], handover: dict[str, str]
) -> None:
    run, _ = converged
    assert run.report["results"]["failed_hosts"] == []
    assert run.report["results"]["totals"]["error"] == 0
    assert handover["Chat link"] in run.output
    assert f"curl -sS {handover['API base']}/chat-messages" in run.output
    assert "Answered" in run.output


def test_no_secret_was_printed_nor_stood_in_a_command_line(
    converged: tuple[Run, Watch], handover: dict[str, str], on: Callable[..., str]
) -> None:
    run, watch = converged
    listed = on(
        "dify-wsl", "sh", "-c", f"cd {SECRETS} && for f in *; do echo $f $(cat $f); done"
    ).splitlines()
    secrets = dict(line.split() for line in listed) | {"the bot's key": handover["API key"]}
    assert len(secrets) >= 17
    # The watch works: it saw what certainly ran.
    assert any("vllm serve" in line for line in watch.seen)
    for name, value in secrets.items():
        assert len(value) >= 20
        assert value not in run.output, f"{name} was printed"
        assert value not in json.dumps(run.report), f"{name} is in the report"
        assert not [line for line in watch.seen if value in line], f"{name} stood in a command line"


def test_secrets_on_hosts_are_for_root_or_their_service(converged: object, on: Callable[..., str]) -> None:
    del converged
    modes = on("dify-wsl", "sh", "-c", f"stat -c '%a %U' {SECRETS} {SECRETS}/* /etc/dify-vllm-deploy/api-key "
               "/etc/dify-vllm-deploy/handover.md /opt/dify/docker/.env")  # fmt: skip
    assert set(modes.splitlines()) == {"700 root", "600 root"}
    gateway = on("gpu-chat", "stat", "-c", "%a %U", "/srv/dify-vllm/services/chat-gateway/nginx.conf")
    assert gateway.strip() == "600 dify-vllm"
