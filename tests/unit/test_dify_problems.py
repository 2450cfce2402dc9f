"""What Dify's host is refused for before anything is touched, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_host import LocalHost, as_host
from pyinfra.facts.server import LinuxDistribution

from provision.domain.adoption import OVERRIDE
from provision.domain.deployment import Deployment
from provision.domain.unfinished import Unfinished
from provision.facts.adoption import RememberedFolder
from provision.facts.docker import ComposeVersion, OutOfReach
from provision.operations import dify_stack, unfinished
from tasks import dify


@pytest.fixture
def facts(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> dict[type, Any]:
    """What the host says in place of this machine: a bare Ubuntu."""
    said: dict[type, Any] = {
        LinuxDistribution: {"name": "Ubuntu", "major": 24},
        ComposeVersion: "",
        OutOfReach: "",
        RememberedFolder: "",
    }
    real = here.get_fact
    monkeypatch.setattr(
        here, "get_fact", lambda fact, **words: said[fact] if fact in said else real(fact, **words)
    )
    for module in (dify, dify_stack):
        monkeypatch.setattr(module, "host", here)
    return said


def problems(deployment: Deployment, **settings: Any) -> list[str]:
    changed = deployment.dify.model_copy(update=settings)
    return list(dify.dify_problems(Deployment({}, deployment.dify_host, changed, deployment.dify_url)))


@pytest.mark.parametrize(
    ("name", "major", "compose", "told"),
    [
        ("Debian", 13, "", ""),
        ("Ubuntu", 22, "", ""),
        ("Debian", 12, "", "no engine answers, or it has no compose plugin. Dify needs Docker Engine"),
        ("Debian", 12, "2.24.0", ""),
        ("Ubuntu", 24, "2.20.3", "Compose is 2.20.3. Dify needs Docker Engine with Compose 2.24 or newer"),
    ],
)
def test_an_engine_is_there_or_comes(
    facts: dict[type, Any], deployment: Deployment, name: str, major: int, compose: str, told: str
) -> None:
    facts |= {LinuxDistribution: {"name": name, "major": major}, ComposeVersion: compose}
    found = problems(deployment, folder="/no/such/folder")
    assert len(found) == bool(told)
    assert "".join(found).startswith(told)


@pytest.mark.parametrize(
    ("there", "told"),
    [("snap", "Docker is the snap, which"), ("rootless", "the Docker engine is a root")],
)
def test_an_engine_that_root_cannot_use(
    facts: dict[type, Any], deployment: Deployment, there: str, told: str
) -> None:
    """However new it is, and whatever could be installed beside it."""
    facts |= {OutOfReach: there, ComposeVersion: "2.40.3"}
    [found] = problems(deployment)
    assert found.startswith(told)
    assert "Install Docker Engine from" in found


@pytest.mark.usefixtures("facts")
def test_a_host_without_dify_is_not_asked(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    other = Deployment({}, "another", deployment.dify, deployment.dify_url)
    assert problems(other, folder=str(tmp_path / "opt")) == []


def test_there_has_to_be_a_place(facts: dict[type, Any], deployment: Deployment, tmp_path: Path) -> None:
    assert problems(deployment) == []
    (tmp_path / "opt").mkdir()
    [told] = problems(deployment, folder=str(tmp_path / "opt"))
    assert told == f"{tmp_path}/opt is there and is no clone. Set dify.folder to a new one"
    facts[RememberedFolder] = str(tmp_path / "gone")
    [told] = problems(deployment, folder=str(tmp_path / "gone"))
    assert told.startswith(f"{tmp_path}/gone, where Dify stood, is gone. Mount it")


@pytest.mark.usefixtures("facts")
def test_what_is_unfinished_comes_first(here: LocalHost, deployment: Deployment) -> None:
    unfinished.note(as_host(here), Unfinished("upgrade", "starting", "1.15.0", "1.16.1", "b"))
    [told] = problems(deployment)
    assert told.startswith("an upgrade to 1.16.1 is not finished (starting). To go on ")
    Path(unfinished.NOTE).write_text("{")
    [told] = problems(deployment)
    assert "cannot be read" in told


@pytest.mark.usefixtures("facts")
def test_an_override_of_somebodys_and_data_without_its_password(deployment: Deployment) -> None:
    docker = Path(deployment.dify.folder) / "docker"
    (docker / OVERRIDE).write_text("services: {api: {}}\n")
    assert problems(deployment) == []  # set up by hand, and left as it is
    [told] = problems(deployment, take_over=True)
    assert told.startswith(f"{docker}/{OVERRIDE} is somebody's own. Ours adds to each service there")
    (docker / OVERRIDE).write_bytes(b"\xff")
    [told] = problems(deployment, take_over=True)
    assert told.startswith(f"{docker}/{OVERRIDE}, line 1, is no UTF-8.")
    (docker / OVERRIDE).unlink()
    (docker / ".env").unlink()
    assert problems(deployment) == []
    (docker / "volumes/app/storage/privkeys").mkdir(parents=True)
    (docker / "volumes/mysql/data").mkdir(parents=True)
    (docker / "volumes/mysql/data/ibdata1").write_text("")
    [told] = problems(deployment)
    assert told.startswith(f"{docker}/volumes/mysql/data/ibdata1 exists but {docker}/.env, which has the")
