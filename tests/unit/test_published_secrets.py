"""Dify's published secrets, version by version, on the lab's docker folders."""

from __future__ import annotations

import base64
import itertools
import re

import pytest

from lab.dify import repository
from provision.domain.dify_env import managed, merged
from provision.domain.dotenv import values
from provision.domain.env_merge import EnvFolder
from provision.domain.published_secrets import (
    ANONYMOUS,
    NEVER_FOLLOW,
    PUBLISHED,
    replaced_at_first,
    replaced_at_upgrade,
    still_published,
)
from provision.domain.secrets import DIFY
from provision.domain.settings import DifySettings

SECRETS = {name: f"k7of{name.replace('-', '')}" for name in DIFY}
OLDER = {
    *("SECRET_KEY", "DB_PASSWORD", "REDIS_PASSWORD", "CELERY_BROKER_URL", "PLUGIN_DAEMON_KEY", ANONYMOUS),
    *("PLUGIN_DIFY_INNER_API_KEY", "SANDBOX_API_KEY", "CODE_EXECUTION_API_KEY", "WEAVIATE_API_KEY"),
    *("WEAVIATE_AUTHENTICATION_APIKEY_ALLOWED_KEYS", "INIT_PASSWORD"),
}
AGENTS = {"DIFY_AGENT_API_TOKEN", "DIFY_AGENT_SERVER_SECRET_KEY"}
EXPECTED = {
    "1.3.1": OLDER,
    "1.15.0": OLDER,
    "1.16.1": OLDER | AGENTS | {"DIFY_AGENT_SHELLCTL_AUTH_TOKEN"},
    "1.17.1": OLDER | AGENTS | {"DIFY_AGENT_LOCAL_SANDBOX_AUTH_TOKEN"},
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EnvFolder]:
    found = {}
    for version in repository.VERSIONS:
        folder = tmp_path_factory.mktemp(version)
        repository.write(version, folder)
        optional = {
            path.relative_to(folder).as_posix().removesuffix(".example"): path.read_text()
            for path in folder.glob("envs/**/*.env.example")
        }
        compose = (folder / "docker-compose.yaml").read_text()
        found[version] = EnvFolder((folder / ".env.example").read_text(), optional, compose)
    return found


def installed(version: EnvFolder) -> EnvFolder:
    """What a first run writes."""
    wanted = managed(DifySettings(), "http://h:81", version) | replaced_at_first(version, SECRETS, "k7init")
    return EnvFolder(merged(version, version, version, wanted).text)


@pytest.mark.parametrize("version", repository.VERSIONS)
def test_each_version_has_its_own(versions: dict[str, EnvFolder], version: str) -> None:
    assert replaced_at_first(versions[version], SECRETS, "k7init").keys() == EXPECTED[version]


@pytest.mark.parametrize("version", repository.VERSIONS)
def test_after_a_first_run_none_is_left_and_pairs_agree(versions: dict[str, EnvFolder], version: str) -> None:
    text = installed(versions[version]).env
    assert [*still_published(versions[version], EnvFolder(text))] == []
    for entry in PUBLISHED:
        for value in filter(None, entry.values):
            uncommented = re.sub(r"(?m)^#.*$", "", text)
            assert value not in uncommented
    found = values(text)
    assert found["SANDBOX_API_KEY"] == found["CODE_EXECUTION_API_KEY"] == SECRETS["dify-sandbox-api-key"]
    assert found["WEAVIATE_API_KEY"] == found["WEAVIATE_AUTHENTICATION_APIKEY_ALLOWED_KEYS"]
    assert found["CELERY_BROKER_URL"] == f"redis://:{found['REDIS_PASSWORD']}@redis:6379/1"
    assert found.get("POSTGRES_PASSWORD", found["DB_PASSWORD"]) == found["DB_PASSWORD"]


@pytest.mark.parametrize("version", repository.VERSIONS)
def test_what_an_untouched_installation_is_told(versions: dict[str, EnvFolder], version: str) -> None:
    untouched = EnvFolder(versions[version].env)
    told = {name for names, _ in still_published(versions[version], untouched) for name in names}
    made_by_dify_itself = {"SECRET_KEY"} if version != "1.3.1" else set()
    assert told == EXPECTED[version] - {"INIT_PASSWORD"} - made_by_dify_itself


def test_a_variable_that_is_not_set_has_upstreams_value(versions: dict[str, EnvFolder]) -> None:
    told = dict(still_published(versions["1.3.1"], EnvFolder("EXPOSE_NGINX_PORT=81\n")))
    assert "first in the database" in told["DB_PASSWORD",]
    assert "set it in both" in told["REDIS_PASSWORD", "CELERY_BROKER_URL"]


def test_half_a_pair_is_told(versions: dict[str, EnvFolder]) -> None:
    env = versions["1.16.1"].env.replace("\nSANDBOX_API_KEY=dify-sandbox", "\nSANDBOX_API_KEY=mine")
    told = [names for names, _ in still_published(versions["1.16.1"], EnvFolder(env))]
    assert ("CODE_EXECUTION_API_KEY",) in told


def test_the_published_values_are_what_the_versions_publish(versions: dict[str, EnvFolder]) -> None:
    for version, folder in versions.items():
        found = values(folder.env)
        for entry in PUBLISHED:
            for name, around in entry.listed(folder).items():
                if name == "SECRET_KEY" and version != "1.3.1":
                    assert found[name] == ""
                else:
                    assert found[name] in {around.format(value) for value in entry.values}


def test_an_upgrade_brings_own_values_for_what_is_new_and_leaves_what_is_in_use(
    versions: dict[str, EnvFolder],
) -> None:
    old, new = versions["1.15.0"], versions["1.16.1"]
    brought = replaced_at_upgrade(old, new, SECRETS)
    assert brought.keys() == AGENTS | {"DIFY_AGENT_SHELLCTL_AUTH_TOKEN"}
    owner = EnvFolder(old.env.replace("DB_PASSWORD=difyai123456", "DB_PASSWORD=mine"))
    result = merged(old, owner, new, brought)
    assert [*still_published(new, EnvFolder(result.text))] == [*still_published(old, owner)]
    assert values(result.text)["DB_PASSWORD"] == "mine"
    # 1.17 calls the sandbox's token otherwise and reads the old name too: it stays what it is.
    assert replaced_at_upgrade(new, versions["1.17.1"], SECRETS) == {}


def test_over_all_versions_no_secret_changes_by_itself(versions: dict[str, EnvFolder]) -> None:
    order = [versions[version] for version in repository.VERSIONS]
    owner = installed(order[0])
    before = values(owner.env)
    for old, new in itertools.pairwise(order):
        wanted = managed(DifySettings(), "http://h:81", new) | replaced_at_upgrade(old, new, SECRETS)
        result = merged(old, owner, new, wanted)
        again = merged(new, EnvFolder(result.text), new, managed(DifySettings(), "http://h:81", new))
        assert again.text == result.text
        owner = EnvFolder(result.text)
    after = values(owner.env)
    assert all(after[name] == before[name] for name in NEVER_FOLLOW & before.keys())
    assert after["DB_HOST"] == "db_postgres"
    assert after["COMPOSE_PROFILES"] == "weaviate,postgresql,collaboration"
    assert after["POSTGRES_MAX_CONNECTIONS"] == "200"
    assert after["DIFY_AGENT_API_TOKEN"] == SECRETS["dify-agent-api-token"]
    assert "PGUSER" not in after
    assert [*still_published(order[-1], owner)] == []


def test_the_long_file_goes_over_into_the_split_layout(versions: dict[str, EnvFolder]) -> None:
    old, new = versions["1.3.1"], versions["1.15.0"]
    mine = old.env.replace("LOG_TZ=UTC", "LOG_TZ=Asia/Shanghai  # ours").replace("PORT=80\n", "PORT=81\n")
    result = merged(old, EnvFolder(mine), new, {})
    assert "LOG_TZ=Asia/Shanghai  # ours\n" in result.text
    assert "EXPOSE_NGINX_PORT=81\n" in result.text
    assert {"DB_HOST", "COMPOSE_PROFILES", "MAX_ITERATIONS_NUM"} <= {*result.names("followed")}
    assert {"DB_TYPE", "TRIGGER_URL", "NGINX_SOCKET_IO_UPSTREAM"} <= {*result.names("new")}
    assert {"PGUSER", "POSTGRES_PASSWORD", "SSRF_SANDBOX_HOST"} <= {*result.names("removed")}
    assert result.names("kept") == ["SECRET_KEY"]


def test_the_agent_servers_key_has_its_published_form() -> None:
    entry = next(entry for entry in PUBLISHED if entry.secret == "dify-agent-server-secret-key")
    (published,) = entry.values
    assert len(base64.urlsafe_b64decode(published + "=")) == 32
    assert DIFY[entry.secret] == "base64url"


def test_every_secret_of_difys_has_its_variables() -> None:
    assert [entry.secret for entry in PUBLISHED] == [*DIFY]
