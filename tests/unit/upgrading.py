"""What the tests of upgrades share: a real clone in folders of a test, stand-ins for Docker and for Dify."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from local_host import LocalHost, PowerCutError, as_host, settings

from provision.domain.deployment import Deployment
from provision.domain.unfinished import Unfinished
from provision.facts.git import CheckedOutTag
from provision.operations import dify_stack, release, upgrade
from provision.operations.steps import StepError
from provision.operations.unfinished import noted
from provision.operations.upgrade import Wanted

OLD, NEW = "1.15.0", "1.16.1"


ENV = {
    OLD: "EXPOSE_NGINX_PORT=80\nSECRET_KEY=\nLOG_LEVEL=INFO\n",
    NEW: "EXPOSE_NGINX_PORT=80\nSECRET_KEY=\nLOG_LEVEL=INFO\nDIFY_AGENT_API_TOKEN=known\nENABLE_LEARN=true\n",
}


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def cloned(here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Dify 1.15.0 from a shallow clone; the repository has 1.16.1 too."""
    repository = tmp_path / "repository"
    (repository / "docker").mkdir(parents=True)
    git(repository, "init", "--quiet")
    for version, example in ENV.items():
        (repository / "docker/docker-compose.yaml").write_text(
            f"services:\n  api:\n    image: dify-api:{version}\n"
        )
        (repository / "docker/.env.example").write_text(example)
        (repository / "docker/.gitignore").write_text(".env\ndocker-compose.override.yaml\nvolumes/\n")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", version)
        git(repository, "tag", version)
    data = tmp_path / "dify/docker/volumes"
    shutil.move(data, tmp_path / "volumes")
    shutil.rmtree(tmp_path / "dify")
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--branch", OLD, f"file://{repository}", "dify")
    shutil.move(tmp_path / "volumes", data)
    env = tmp_path / "dify/docker/.env"
    env.write_text("EXPOSE_NGINX_PORT=81\nSECRET_KEY=owners-canary\nLOG_LEVEL=DEBUG\n")
    env.chmod(0o600)
    monkeypatch.setattr(release, "secret", lambda name: f"canary-of-{name}")
    monkeypatch.setattr(dify_stack, "host", here)
    comes_up(monkeypatch)
    dify = settings(here).model_copy(update={"repository": f"file://{repository}"})
    return Deployment({}, "here", dify, "http://dify:81")


def comes_up(monkeypatch: pytest.MonkeyPatch, *failing: str) -> None:
    """Stands for Dify: migrates the database when it starts, and answers unless it fails."""

    def proven(host: LocalHost, deployment: Deployment, version: str) -> None:
        assert host.running == [f"dify-api:{version}"]
        database = Path(deployment.dify.folder) / "docker/volumes/db/data/documents"
        if version == NEW:
            database.write_text("a migrated row\n")
        elif database.read_text() != "a row\n":
            raise StepError("an old release over a new database")
        if version in failing:
            raise StepError(f"migration of {version} failed")

    monkeypatch.setattr(upgrade, "proven", proven)


def run(here: LocalHost, deployment: Deployment, version: str = NEW) -> bool:
    """The operations that change something, as a run of pyinfra calls them."""
    wanted = Wanted(deployment, version)
    if noted(as_host(here)) is None:
        if here.get_fact(CheckedOutTag, path=deployment.dify.folder) == version:
            return True
        if not upgrade._make_ready(None, as_host(here), wanted):  # type: ignore[arg-type]
            return False
    return upgrade._change(None, as_host(here), wanted)  # type: ignore[arg-type]


def state_of(here: LocalHost, deployment: Deployment) -> tuple[str, str, str, list[str], list[str]]:
    """Tag, whose .env, whose data, what runs, what lies about."""
    docker = Path(deployment.dify.folder) / "docker"
    litter = [*here.folder.glob("dify.*"), *here.folder.glob("etc/*.*"), *here.folder.glob("lib/*")]
    return (
        here.get_fact(CheckedOutTag, path=deployment.dify.folder),
        "new" if "ENABLE_LEARN" in (docker / ".env").read_text() else "old",
        (docker / "volumes/db/data/documents").read_text().strip(),
        here.running,
        sorted(path.name for path in litter),
    )


UPGRADED = (NEW, "new", "a migrated row", [f"dify-api:{NEW}"], [])


AS_BEFORE = (OLD, "old", "a row", [f"dify-api:{OLD}"], [])


# What the release that failed has left is kept.
BACK = (*AS_BEFORE[:-1], ["dify.replaced", "secrets.replaced"])


def cut_while(here: LocalHost, deployment: Deployment, phase: str) -> Unfinished:
    """An upgrade that was cut in a phase."""
    saved = here.folder.with_name(f"{here.folder.name}-saved")
    shutil.copytree(here.folder, saved, symlinks=True)
    for number in range(1, 200):
        shutil.rmtree(here.folder)
        shutil.copytree(saved, here.folder, symlinks=True)
        try:
            run(LocalHost(here.folder, cut_before=number), deployment)
        except PowerCutError:
            begun = noted(as_host(here))
            if begun and begun.phase == phase:
                return begun
    pytest.fail(f"there is no {phase}")
