"""One description, and when a restart is due."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from provision.domain.service import STARTED, Service

ONE = Service(
    "n", "d", ["/bin/prog", "a b", '{"x": false}', "$HOME"], "u", "/d", {"K": "it's $5"}, ["model-1"]
)


@pytest.mark.parametrize(
    "change",
    [{"argv": ["/bin/prog"]}, {"user": "v"}, {"env": {}}, {"inputs": ["model-2"]}],
    ids=["arguments", "user", "environment", "model"],
)
def test_a_restart_is_due_when_the_process_would_be_another(change: dict[str, object]) -> None:
    assert dataclasses.replace(ONE, **change).digest != ONE.digest  # type: ignore[arg-type]


def test_words_for_people_are_no_reason_to_restart() -> None:
    assert dataclasses.replace(ONE, description="other").digest == ONE.digest


def test_the_launcher_passes_arguments_and_environment_unharmed(tmp_path: Path) -> None:
    program = tmp_path / "prog"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$K" "$$"\n')
    program.chmod(0o755)
    service = dataclasses.replace(ONE, argv=[str(program), *ONE.argv[1:]], directory=str(tmp_path))
    (tmp_path / "state").mkdir()
    launcher = tmp_path / "run"
    launcher.write_text(service.launcher_script())
    launcher.chmod(0o755)
    said = subprocess.run([str(launcher)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:-1] == ["a b", '{"x": false}', "$HOME", "it's $5"]
    assert (tmp_path / STARTED).read_text() == f"{said[-1]} {service.digest}\n"
