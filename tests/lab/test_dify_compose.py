"""The lab's docker folders of Dify: Compose accepts each, and each is as its version is known to be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.dify import images, repository
from lab.surroundings import registry

COMPOSE = Path(sys.executable).parent / "docker-compose"
AGENTS = {"agent_backend", "local_sandbox", "agent_ssrf_proxy"}
SINCE_THE_SPLIT = {
    *("init_permissions", "api", "api_websocket", "worker", "worker_beat", "web", "db_postgres", "redis"),
    *("sandbox", "plugin_daemon", "ssrf_proxy", "nginx", "weaviate"),
}
SERVICES = {
    "1.3.1": {
        *(
            "api",
            "worker",
            "web",
            "db",
            "redis",
            "sandbox",
            "plugin_daemon",
            "ssrf_proxy",
            "nginx",
            "weaviate",
        )
    },
    "1.15.0": SINCE_THE_SPLIT,
    "1.16.1": SINCE_THE_SPLIT | AGENTS,
    "1.17.1": SINCE_THE_SPLIT | AGENTS,
}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Version to what Compose makes of its folder after the official ``cp .env.example .env``."""
    found = {}
    for version in repository.VERSIONS:
        folder = tmp_path_factory.mktemp(version) / "docker"
        repository.write(version, folder)
        shutil.copy(folder / ".env.example", folder / ".env")
        done = subprocess.run(
            [COMPOSE, "config", "--format", "json"], cwd=folder, env={}, capture_output=True, timeout=60
        )
        assert done.stdout, done.stderr.decode()
        assert b"warning" not in done.stderr
        found[version] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("version", repository.VERSIONS)
def test_the_plain_start_starts_what_the_version_has(configured: dict[str, Any], version: str) -> None:
    assert configured[version]["services"].keys() == SERVICES[version]


@pytest.mark.parametrize("version", repository.VERSIONS)
def test_every_mounted_file_is_there(configured: dict[str, Any], version: str, tmp_path: Path) -> None:
    repository.write(version, tmp_path / "docker")
    for service in configured[version]["services"].values():
        for volume in service.get("volumes", []):
            source = Path(volume["source"]).parts
            relative = Path(*source[source.index("docker") + 1 :])
            assert relative.parts[0] == "volumes" or (tmp_path / "docker" / relative).exists(), relative


def conditions(configured: dict[str, Any], version: str, service: str) -> dict[str, str]:
    found = configured[version]["services"][service].get("depends_on", {})
    return {name: dependency["condition"] for name, dependency in found.items()}


def test_what_waits_for_what(configured: dict[str, Any]) -> None:
    old = {"db": "service_healthy", "redis": "service_started"}
    new = {
        "init_permissions": "service_completed_successfully",
        "db_postgres": "service_healthy",
        "redis": "service_started",
    }
    assert conditions(configured, "1.3.1", "api") == old
    assert conditions(configured, "1.15.0", "api") == new
    assert conditions(configured, "1.16.1", "api") == {**new, "agent_backend": "service_started"}
    assert conditions(configured, "1.16.1", "worker_beat") == new
    assert conditions(configured, "1.3.1", "plugin_daemon") == {"db": "service_healthy"}
    assert conditions(configured, "1.15.0", "nginx") == dict.fromkeys(("api", "web"), "service_started")


def test_who_is_asked_for_health(configured: dict[str, Any]) -> None:
    def asked(version: str) -> set[str]:
        services = configured[version]["services"]
        return {
            name
            for name, service in services.items()
            if "healthcheck" in service and not service["healthcheck"].get("disable")
        }

    assert asked("1.3.1") == {"db", "redis", "sandbox"}
    assert asked("1.15.0") == {"db_postgres", "redis", "sandbox", "api"}
    assert asked("1.16.1") == {"db_postgres", "redis", "sandbox", "api", "local_sandbox"}


@pytest.mark.parametrize(
    ("version", "daemon", "weaviate"),
    [
        ("1.3.1", "0.0.9", "semitechnologies/weaviate:1.19.0"),
        ("1.15.0", "0.6.3", "semitechnologies/weaviate:1.27.0"),
        ("1.16.1", "0.6.3", "semitechnologies/weaviate:1.27.0"),
        ("1.17.1", "0.6.10", "cr.weaviate.io/semitechnologies/weaviate:1.39.2"),
    ],
)
def test_images(configured: dict[str, Any], version: str, daemon: str, weaviate: str) -> None:
    services = configured[version]["services"]
    assert services["api"]["image"] == f"langgenius/dify-api:{version}"
    assert services["plugin_daemon"]["image"] == f"langgenius/dify-plugin-daemon:{daemon}-local"
    assert services["weaviate"]["image"] == weaviate


def test_the_lab_has_the_images_of_every_version_and_no_others(configured: dict[str, Any]) -> None:
    named = [service["image"] for each in configured.values() for service in each["services"].values()]
    assert set(named) == {image.name for image in images.IMAGES}
    api = {image.name: image.dockerfile() for image in images.IMAGES}["langgenius/dify-api:1.15.0"]
    assert "ENV STANDIN_VERSION=1.15.0\n" in api


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("nginx:latest", "library/nginx:latest"),
        ("langgenius/dify-api:1.15.0", "langgenius/dify-api:1.15.0"),
        ("cr.weaviate.io/semitechnologies/weaviate:1.39.2", "semitechnologies/weaviate:1.39.2"),
    ],
)
def test_where_an_engine_looks_for_an_image(name: str, path: str) -> None:
    assert registry.path_of(name) == path


def test_up_to_the_split_only_listed_variables_reach_a_container(configured: dict[str, Any]) -> None:
    api = configured["1.3.1"]["services"]["api"]["environment"]
    assert api["POSTGRES_PASSWORD"] == api["DB_PASSWORD"] == "difyai123456"
    assert "COMPOSE_PROFILES" not in api
    assert configured["1.16.1"]["services"]["web"]["environment"]["COMPOSE_PROFILES"] == (
        "weaviate,postgresql,collaboration"
    )


def test_only_1_17_asks_for_addresses_at_every_request(tmp_path: Path) -> None:
    texts = {}
    for version in repository.VERSIONS:
        repository.write(version, tmp_path / version)
        texts[version] = (tmp_path / version / "nginx/conf.d/default.conf.template").read_text()
    assert "proxy_pass http://$upstream;" in texts["1.17.1"]
    assert "http://api:5001" not in texts["1.17.1"]
    assert all("proxy_pass http://api:5001;" in texts[version] for version in ("1.3.1", "1.15.0", "1.16.1"))
    assert [version for version, text in texts.items() if "/socket.io/" in text] == [
        "1.15.0",
        "1.16.1",
        "1.17.1",
    ]


def test_a_tag_for_each_version(tmp_path: Path) -> None:
    repository.build(tmp_path / "dify.git")
    done = subprocess.run(
        ["git", "-C", tmp_path / "dify.git", "tag", "--sort=version:refname"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(done.stdout.split()) == repository.VERSIONS
