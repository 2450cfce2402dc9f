"""Bare hosts: a dry run changes nothing, one run does everything."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable

from conftest import HOSTS, SECRETS, FirstRun, Run


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


def test_a_run_finishes_what_killed_ones_began(converged: FirstRun, handover: dict[str, str]) -> None:
    assert len(converged.killed) == 2
    assert "Put the gateway before it" in converged.killed[1]
    results = converged.run.report["results"]
    assert (results["failed_hosts"], results["totals"]["error"]) == ([], 0)
    assert handover["Chat link"] in converged.run.output
    assert f"curl -sS {handover['API base']}/chat-messages" in converged.run.output
    assert "Answered" in converged.run.output


def test_no_secret_was_printed_nor_stood_in_a_command_line(
    converged: FirstRun, handover: dict[str, str], on: Callable[..., str]
) -> None:
    listed = on(
        "dify-wsl", "sh", "-c", f"cd {SECRETS} && for f in *; do echo $f $(base64 -w0 $f); done"
    ).splitlines()
    secrets = {name: b64decode(value).decode().strip() for name, value in map(str.split, listed)}
    for name in [name for name in secrets if name.endswith("-tunnel-key")]:
        # A private key has several lines; none but the first and the last, which all keys have, may be seen.
        secrets[name] = secrets[name].splitlines()[2]
    secrets["the bot's key"] = handover["API key"]
    assert len(secrets) >= 19
    secrets["the password as it is sent"] = b64encode(secrets["admin-password"].encode()).decode()
    # The watch works: it saw what certainly ran.
    assert any("vllm serve" in line for line in converged.watch.seen)
    for name, value in secrets.items():
        assert len(value) >= 20
        assert value not in converged.output, f"{name} was printed"
        assert value not in json.dumps(converged.run.report), f"{name} is in the report"
        seen = [line for line in converged.watch.seen if value in line]
        if name == "dify-redis-password":
            # Dify's own compose file starts and probes its Redis this way, inside the container.
            seen = [
                line
                for line in seen
                if "redis-server --requirepass" not in line and "redis-cli -a" not in line
            ]
        assert not seen, f"{name} stood in a command line"


def test_secrets_on_hosts_are_for_root_or_their_service(converged: FirstRun, on: Callable[..., str]) -> None:
    del converged
    modes = on("dify-wsl", "sh", "-c", f"stat -c '%a %U' {SECRETS} {SECRETS}/* /etc/dify-vllm-deploy/api-key "
               "/etc/dify-vllm-deploy/handover.md /opt/dify/docker/.env")  # fmt: skip
    assert set(modes.splitlines()) == {"700 root", "600 root"}
    for name, folder in (("gpu-chat", "chat-gateway"), ("gpu-score", "score-gateway")):
        path = f"/srv/dify-vllm/services/{folder}"
        assert on(name, "stat", "-c", "%a %U %G", f"{path}/nginx.conf").strip() == "640 root dify-vllm"
        assert on(name, "stat", "-c", "%a %U", path).strip() == "755 root"
