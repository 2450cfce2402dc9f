"""Inventories through pyinfra's own command line: refused before any connection."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INVENTORY = """
from provision.inventory import check

# 192.0.2.0/24 is set aside for documentation: a connection would hang, not answer.
chat = [("gpu", {{"ssh_hostname": "192.0.2.1", {chat}}})]
dify = [("win", {{"ssh_hostname": "192.0.2.2", {dify}}})]

check(globals())
"""


def pyinfra(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pyinfra")
    return subprocess.run(
        [program, "--dry", *arguments, inventory, "deploy.py"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("chat", "dify", "expected"),
    [
        (
            '"chat": {"max_model_length": 1024}',
            "",
            "gpu: chat.max_model_length is not a setting; did you mean 'max_model_len'?",
        ),
        ("", '"dify": {"port": 0}', "win: dify.port = 0"),
        (
            '"chat": {"endpoint": "http://127.0.0.1:8080/v1"}',
            "",
            "gpu: chat.endpoint = 'http://127.0.0.1:8080/v1': is a loopback",
        ),
        ('"chat": {"endpoint": "http://192.0.2.1:8080"}', "", "must end with /v1"),
        (
            '"chat": {"model_path": "models/Qwen3"}',
            "",
            "gpu: chat.model_path = 'models/Qwen3': must be an absolute path",
        ),
        ('"ssh_port": 22, "chatt": {}', "", "gpu: chatt is not a setting"),
        ("", '"dify": {"plugin_package": "no.difypkg"}', "= 'no.difypkg': there is no such file"),
        (
            "",
            '"dify": {"knowledge": {"folders": ["nothing"]}}',
            "win: dify.knowledge.folders: knowledge/nothing/ does not exist; make it and put",
        ),
        (
            "",
            '"dify": {"bot": {"max_tokens": 1000}}',
            "but chat.max_model_len = 1024; raise chat.max_model_len of gpu to ",
        ),
    ],
)
def test_bad_settings_end_the_run_before_it_connects(
    tmp_path: Path, chat: str, dify: str, expected: str
) -> None:
    inventory = tmp_path / "bad.py"
    inventory.write_text(INVENTORY.format(chat=chat, dify=dify))
    done = pyinfra(inventory)
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Connecting to hosts" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_vllm_with_a_known_hole_is_refused_before_any_connection(tmp_path: Path) -> None:
    old = tmp_path / "old.txt"
    old.write_text("vllm==0.8.5\n")
    inventory = tmp_path / "bad.py"
    inventory.write_text(INVENTORY.format(chat=f'"serving": {{"vllm_requirements": "{old}"}}', dify=""))
    done = pyinfra(inventory)
    assert done.returncode == 1
    assert f"gpu: serving.vllm_requirements = '{old}': pins vllm 0.8.5, older than 0.14.1" in done.stderr
    assert "Connecting to hosts" not in done.stderr


@pytest.mark.parametrize("name", ["prod", "single"])
def test_the_examples_are_right_and_so_are_copies(tmp_path: Path, name: str) -> None:
    shown = debugged(Path(f"inventories/{name}.py"))
    copy = tmp_path / "mine.local.py"
    shutil.copy(f"inventories/{name}.py", copy)
    assert debugged(copy).replace(copy.stem, name) == shown
    assert '"dify": {' in shown


def debugged(inventory: Path) -> str:
    program = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [program, inventory, "debug-inventory"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
