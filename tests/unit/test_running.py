"""Whether a Dify runs, before it is backed up: what was stopped is not awaited afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_host import LocalHost, settings

from provision.domain.deployment import Deployment
from tasks import dify

# Lists a container that has ended only to who asks for all.
DOCKER = """#!/bin/sh
case "$*" in *--all* | *-a*) echo ended ;; esac
cat "$DOCKER_STATE/running" 2>/dev/null
exit 0
"""


@pytest.mark.parametrize("running", [True, False])
def test_what_runs(here: LocalHost, monkeypatch: pytest.MonkeyPatch, running: bool) -> None:
    Path(here.folder / "bin/docker").write_text(DOCKER)
    if not running:
        (here.docker / "running").unlink()
    monkeypatch.setattr(dify, "host", here)
    deployment = Deployment({}, "here", settings(here), "http://dify")
    assert dify.runs(deployment) is running
    here.name = "another"
    assert dify.runs(deployment) is False
