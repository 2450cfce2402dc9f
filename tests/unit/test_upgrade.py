"""Upgrades carried out here: a real clone, in folders of a test, with stand-ins for Docker and for Dify."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from local_host import LocalHost, PowerCutError, as_host, settings

from provision.domain.adoption import OURS
from provision.domain.deployment import Deployment
from provision.domain.room import Space
from provision.domain.unfinished import Unfinished
from provision.facts.backup import PathSizes
from provision.facts.git import CheckedOutTag
from provision.facts.hardware import FreeSpace
from provision.operations import backup, dify_stack, release, restore, unfinished, upgrade
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


@pytest.fixture
def deployment(here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
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

    def come_up(host: LocalHost, deployment: Deployment, version: str) -> None:
        assert host.running == [f"dify-api:{version}"]
        database = Path(deployment.dify.folder) / "docker/volumes/db/data/documents"
        if version == NEW:
            database.write_text("a migrated row\n")
        elif database.read_text() != "a row\n":
            raise StepError("an old release over a new database")
        if version in failing:
            raise StepError(f"migration of {version} failed")

    for prove in ("come_up", "proven"):
        monkeypatch.setattr(upgrade, prove, come_up)
    monkeypatch.setattr(upgrade, "answers", lambda *_: None)


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


def test_an_upgrade(here: LocalHost, deployment: Deployment) -> None:
    assert run(here, deployment), "\n".join(here.said)
    assert state_of(here, deployment) == UPGRADED
    env = Path(deployment.dify.folder) / "docker/.env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    text = env.read_text()
    # The owner's values stay, managed ones follow the settings, new secrets are not the published ones.
    assert "SECRET_KEY=owners-canary\nLOG_LEVEL=DEBUG\n" in text
    assert "DIFY_AGENT_API_TOKEN=canary-of-dify-agent-api-token\n" in text
    assert not any("canary" in line for line in here.said)
    [kept] = list((here.folder / "backups").glob("*Z-*"))
    assert kept.name.endswith(f"-{OLD}")
    assert any("the way back to 1.15.0" in line for line in here.said)
    # Dify ran while the images were pulled, and was stopped only then.
    order = [word for call in here.calls for word in ("pull", "stop", "up") if word in call.split()]
    assert order == ["pull", "stop", "up"]


def test_an_upgrade_to_what_runs_is_none(here: LocalHost, deployment: Deployment) -> None:
    assert run(here, deployment, OLD)
    assert state_of(here, deployment) == AS_BEFORE
    assert here.calls == []


@pytest.mark.parametrize("word", ["pull", "config"])
def test_a_release_that_cannot_be_had_touches_nothing(
    here: LocalHost, deployment: Deployment, word: str
) -> None:
    here.fail(word)
    assert not run(here, deployment)
    assert here.running == [f"dify-api:{OLD}"]
    assert not any("stop" in call for call in here.calls)
    assert any("Nothing of the running Dify was touched" in line for line in here.said)
    here.fail("")
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


def test_a_tag_that_does_not_exist_touches_nothing(here: LocalHost, deployment: Deployment) -> None:
    assert not run(here, deployment, "1.16.9")
    assert any("fetching 1.16.9 failed" in line for line in here.said)
    assert state_of(here, deployment) == AS_BEFORE


def test_a_backup_that_fails_changes_nothing(here: LocalHost, deployment: Deployment) -> None:
    gzip = here.folder / "bin/gzip"
    gzip.write_text("#!/bin/sh\nexit 1\n")
    gzip.chmod(0o755)
    assert not run(here, deployment)
    assert any("Dify runs as before, nothing was changed" in line for line in here.said)
    gzip.unlink()
    assert here.running == [f"dify-api:{OLD}"]
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


def test_a_failing_migration_goes_back_by_itself(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, NEW)
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
    assert (here.folder / "dify.replaced/docker/volumes/db/data/documents").read_text() == "a migrated row\n"
    assert any("migration of 1.16.1 failed. Dify is 1.15.0 again, with" in line for line in here.said)
    assert len(list((here.folder / "backups").glob("*Z-*"))) == 1
    # And what was wrong being put right, it goes through.
    comes_up(monkeypatch)
    assert run(here, deployment)
    assert state_of(here, deployment) == (*UPGRADED[:-1], BACK[-1])


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("fails", [False, True], ids=["a good release", "a bad release"])
def test_killed_anywhere_and_run_again_it_finishes_or_goes_back(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, fails: bool, every: int
) -> None:
    """Before one command in so many, from the first to the last."""
    comes_up(monkeypatch, *([NEW] if fails else []))
    folder = here.folder
    saved = folder.with_name(f"{folder.name}-saved")
    shutil.copytree(folder, saved, symlinks=True)
    phases = set()
    for number in range(1, 200, every):
        shutil.rmtree(folder)
        shutil.copytree(saved, folder, symlinks=True)
        try:
            assert run(LocalHost(folder, cut_before=number), deployment) is not fails
        except PowerCutError:
            begun = noted(as_host(here))
            phases.add(begun.phase if begun else "")
            again = run(here, deployment)
            assert again is not fails, (number, "\n".join(here.said))
            assert state_of(here, deployment) == (BACK if fails else UPGRADED), number
        else:
            break
    always = {"", "backing up", "changing files", "starting", "clearing up"}
    back = {"going back", "proving"}
    assert phases <= always | back
    assert len(phases) >= 4
    assert every > 1 or phases == (always | back if fails else always)


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


def test_what_people_have_worked_with_is_not_put_back_unasked(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new release came up after the run was cut, and the model is down when it is run again."""
    begun = cut_while(here, deployment, "starting")
    restore.start(as_host(here), deployment.dify)
    (here.docker / "started").write_text("2020-01-01T00:00:00Z\n")
    since = Path(deployment.dify.folder) / "docker/volumes/since"
    since.write_text("written since")

    def silent(*_: object) -> None:
        raise StepError("the model is down")

    monkeypatch.setattr(upgrade, "answers", silent)
    assert not run(here, deployment)
    assert f"or put back {begun.backup} by deploys/restore.py" in here.said[-1]
    assert since.exists()
    assert noted(as_host(here)) == begun
    comes_up(monkeypatch)
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED
    assert since.exists()


def test_what_was_written_after_a_reboot_is_backed_up_too(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before the files changed; the host was started again, and the old release with it."""
    cut_while(here, deployment, "changing files")
    since = Path(deployment.dify.folder) / "docker/volumes/since"
    since.write_text("written since")
    (here.docker / "running").write_text((here.docker / "containers").read_text())
    comes_up(monkeypatch, NEW)
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
    assert since.read_text() == "written since"


def test_a_way_back_that_is_not_proven_is_proven_later(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people have written since stays: nothing is put back again."""
    comes_up(monkeypatch, OLD, NEW)
    assert not run(here, deployment)
    begun = noted(as_host(here))
    assert begun
    assert begun.phase == "proving"
    assert any("1.15.0 is back in its place but does not answer" in line for line in here.said)
    since = Path(deployment.dify.folder) / "docker/volumes/since"
    since.write_text("written since")
    comes_up(monkeypatch)
    assert not run(here, deployment)
    assert state_of(here, deployment) == BACK
    assert since.read_text() == "written since"


def test_no_way_back_from_a_damaged_backup_discards_nothing(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, NEW)
    good = backup.pack(as_host(here), deployment.dify)
    kept = here.folder / "dify.replaced"
    kept.mkdir()
    taken = upgrade._back_up

    def damaged(*arguments: Any) -> Unfinished:
        begun = taken(*arguments)
        (here.folder / "backups" / begun.backup / "secrets.tar.gz").write_text("x")
        return begun

    monkeypatch.setattr(upgrade, "_back_up", damaged)
    assert not run(here, deployment)
    assert "1.16.1 failed: migration of 1.16.1 failed. Going back to 1.15.0" in here.said
    assert any("secrets.tar.gz is missing, or damaged" in line for line in here.said)
    assert "deploys/restore.py takes its place" in here.said[-1]
    assert kept.exists()
    begun = noted(as_host(here))
    assert begun
    assert begun.phase == "starting"
    assert restore._put_back(None, as_host(here), deployment.dify, good.name)  # type: ignore[arg-type]
    assert restore._finish(None, as_host(here), deployment.dify)  # type: ignore[arg-type]
    assert state_of(here, deployment) == BACK


@pytest.mark.parametrize(("gigabytes", "fits"), [(8, False), (12, True)])
def test_no_upgrade_without_room_for_its_way_back(
    here: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, gigabytes: int, fits: bool
) -> None:
    """Of 5 GB, packed and unpacked again; nothing is stopped."""
    monkeypatch.setattr(FreeSpace, "process", lambda *_: Space(gigabytes * 10**9, "/"))

    monkeypatch.setattr(PathSizes, "process", lambda *_: {deployment.dify.folder: 5 * 10**9})
    assert run(here, deployment) is fits
    assert any("5.0 GB for the backup, 5.0 GB for the way back" in line for line in here.said) is not fits
    if not fits:
        assert here.running == [f"dify-api:{OLD}"]
        assert not any("stop" in call for call in here.calls)
        assert noted(as_host(here)) is None


def test_a_backup_that_fails_is_told_when_dify_cannot_be_started_either(
    here: LocalHost, deployment: Deployment
) -> None:
    gzip = here.folder / "bin/gzip"
    gzip.write_text("#!/bin/sh\nexit 1\n")
    gzip.chmod(0o755)
    here.fail("up")
    assert not run(here, deployment)
    assert any(
        "backing up failed, see the lines above. And Dify could not be started again: starting" in line
        for line in here.said
    )
    gzip.unlink()
    here.fail("")
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


def test_containers_of_the_release_before_go(here: LocalHost, deployment: Deployment) -> None:
    """A service that is gone would be started again by Docker itself, beside its successor."""
    link = here.folder / "link"
    link.symlink_to(deployment.dify.folder)
    (here.docker / "others").write_text(f"db docker {link}/docker\n")
    assert run(here, deployment)
    assert f"rm --force dify-api:{OLD} db" in here.calls
    assert not any("--remove-orphans" in call for call in here.calls)


def test_edits_of_the_example_do_not_get_into_the_way(here: LocalHost, deployment: Deployment) -> None:
    """As in an installation whose .env.example was edited in place."""
    (Path(deployment.dify.folder) / "docker/.env.example").write_text("LOG_LEVEL=WARNING\n")
    assert run(here, deployment)
    assert state_of(here, deployment) == UPGRADED


ENV_BY_HAND = "EXPOSE_NGINX_PORT=127.0.0.1:8080\nSECRET_KEY=owners-canary\nLOG_LEVEL=DEBUG\n"


@pytest.mark.parametrize("ours", [False, True])
def test_settings_reach_an_installation_that_was_set_up_by_hand_only_when_taken_over(
    here: LocalHost, deployment: Deployment, ours: bool
) -> None:
    docker = Path(deployment.dify.folder) / "docker"
    (docker / ".env").write_text(ENV_BY_HAND)
    if ours:
        (docker / "docker-compose.override.yaml").write_text(f"{OURS}\n")
    assert run(here, deployment)
    published = "EXPOSE_NGINX_PORT=81\n" if ours else "EXPOSE_NGINX_PORT=127.0.0.1:8080\n"
    assert published in (docker / ".env").read_text()
    # What the release brings and everybody knows is made a secret either way.
    assert "DIFY_AGENT_API_TOKEN=known" not in (docker / ".env").read_text()


def test_a_release_is_made_ready_with_the_files_that_the_owner_has_beside_it(
    here: LocalHost, deployment: Deployment
) -> None:
    """An override, and what it names."""
    docker = Path(deployment.dify.folder) / "docker"
    (docker / "docker-compose.override.yml").write_text("services: {api: {env_file: ./mine.env}}\n")
    (docker / "mine.env").write_text("A=1\n")
    release.make_ready(as_host(here), deployment, OLD, NEW)
    ready = Path(release.beside(deployment.dify)) / "docker"
    assert (ready / "mine.env").read_text() == "A=1\n"
    assert (ready / "docker-compose.override.yml").exists()
    assert NEW in (ready / "docker-compose.yaml").read_text()
    assert not (ready / ".env").is_symlink()
    release.clear_away(as_host(here), deployment.dify)
    assert (docker / "mine.env").exists()
    assert (docker / "volumes/db/data/documents").exists()


def test_a_release_that_would_start_without_its_database_is_refused(
    here: LocalHost, deployment: Deployment
) -> None:
    """Profiles that the owner has chosen once and for all, as in langgenius/dify of 1.10.0."""
    docker = Path(deployment.dify.folder) / "docker"
    (docker / ".env").write_text("DB_HOST=db_postgres\nCOMPOSE_PROFILES=weaviate\nVECTOR_STORE=weaviate\n")
    (here.docker / "services").write_text("db_postgres\n")
    (here.docker / "running-services").write_text("api\nweaviate\n")
    assert not run(here, deployment)
    assert any(
        "1.16.1 would start without db_postgres, which DB_HOST in .env says: COMPOSE_PROFILES there is "
        "'weaviate'" in line
        for line in here.said
    )
    assert here.running == [f"dify-api:{OLD}"]


@pytest.fixture
def asked(here: LocalHost, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """The host as an operation's body sees it."""
    for module in (upgrade, unfinished):
        monkeypatch.setattr(module, "host", here)
    return here


def refusal(operation: Callable[..., object], **arguments: object) -> str:
    """What an operation's first command would print before it fails; empty when it has none."""
    inner = operation._inner(**arguments)  # type: ignore[attr-defined]
    return next((command.get_raw_value() for command in inner), "")


def test_what_is_refused(asked: LocalHost, deployment: Deployment) -> None:
    def told(version: str, *acknowledged: str) -> str:
        return refusal(upgrade.allowed, wanted=Wanted(deployment, version, acknowledged))

    assert told(NEW) == ""
    assert told(OLD) == ""
    assert "refused, nothing was touched:\n  weaviate-1.39 (1.17.1): the bundled" in told("1.17.1")
    assert told("1.17.1", "weaviate-1.39") == ""
    assert "restore a backup of the older release" in told("1.14.2")
    compose = Path(deployment.dify.folder) / "docker/docker-compose.yaml"
    compose.write_text(compose.read_text() + "# mine\n")
    assert "local-edits: the new release" in told(NEW)
    assert told(NEW, "local-edits") == ""
    asked.defines(services={"api": {"environment": {"DB_HOST": "pg.corp"}}})
    assert "external-data: the backup does not hold the database on pg.corp;" in told(NEW, "local-edits")
    assert told(NEW, "local-edits", "external-data") == ""
    asked.fail("config")
    assert "what Dify has mounted cannot be known" in told(NEW, "local-edits")


def test_what_is_unfinished_goes_first(
    asked: LocalHost, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "state", SimpleNamespace(is_executing=True))

    def told(version: str) -> str:
        return refusal(upgrade.allowed, wanted=Wanted(deployment, version))

    unfinished.note(as_host(asked), Unfinished("upgrade", "starting", OLD, NEW, "b"))
    assert told(NEW) == ""
    assert "an upgrade to 1.16.1 is not finished (starting)" in told("1.17.0")
    assert "--data dify_version=1.16.1" in told("1.17.0")
    assert "it finishes or goes back" in refusal(unfinished.nothing_unfinished)
    unfinished.note(as_host(asked), Unfinished("restore", "putting back", "", OLD, "b"))
    assert "run deploys/restore.py again with --data backup=b" in told(NEW)
    Path(unfinished.NOTE).write_text("{")
    assert "cannot be read" in told(NEW)
    # That is for this host alone: no operation after it raises anything, which would end the run for all.
    wanted = Wanted(deployment, NEW)
    assert refusal(upgrade.answering, wanted=wanted) == ""
    assert refusal(upgrade.made_ready, wanted=wanted) == ""
    assert refusal(upgrade.changed, wanted=wanted) == ""
    assert "cannot be read" in refusal(unfinished.nothing_unfinished)
    unfinished.forget(as_host(asked))
    assert refusal(unfinished.nothing_unfinished) == ""


@pytest.mark.usefixtures("asked")
def test_where_there_is_nothing_to_upgrade(deployment: Deployment) -> None:
    git(Path(deployment.dify.folder), "commit", "--quiet", "--allow-empty", "--message", "mine")
    wanted = Wanted(deployment, NEW)
    assert "is on no tag" in refusal(upgrade.allowed, wanted=wanted)
    nowhere = deployment.dify.model_copy(update={"folder": "/no/such/folder"})
    assert "there is no installation in /no/such/folder" in refusal(
        upgrade.allowed, wanted=replace(wanted, deployment=replace(deployment, dify=nowhere))
    )
