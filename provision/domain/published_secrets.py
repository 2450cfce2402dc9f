"""Dify's published secrets: every installation has them until somebody replaces them.

Source: ``langgenius/dify: docker/.env.example, docker/docker-compose.yaml``, tags 1.3.1 to 1.16.1. Which of
them a version has is read from the version's own files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provision.domain.dotenv import values
from provision.domain.env_merge import EnvFolder

RECREATE = "then `docker compose up -d`, which recreates what reads it"


@dataclass(frozen=True)
class Published:
    """One secret of Dify's.

    Attributes:
        secret: its name in :mod:`provision.domain.secrets`, which knows its format too.
        variables: those that hold it, each with the text around it; they must agree.
        values: what upstream has published; empty where nothing set means no protection.
        change: how it is replaced where Dify already runs.
    """

    secret: str
    variables: Mapping[str, str]
    values: frozenset[str]
    change: str

    def listed(self, version: EnvFolder) -> dict[str, str]:
        """The variables that a version has for it; an older name that is only still read is not one."""
        listed = {
            name: around for name, around in self.variables.items() if version.default(name) is not None
        }
        return listed or {name: around for name, around in self.variables.items() if name in version.names}


def _published(secret: str, *variables: str, value: str, change: str) -> Published:
    return Published(secret, dict.fromkeys(variables, "{}"), frozenset({value}), change)


PUBLISHED = (
    _published(
        "dify-secret-key",
        "SECRET_KEY",
        value="sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U",
        change=f"set a new one, {RECREATE}. Everybody has to sign in again, links to files made earlier end, "
        "and OAuth clients of tools have to be entered anew; model keys stay",
    ),
    _published(
        "dify-db-password",
        "DB_PASSWORD",
        value="difyai123456",
        change="first in the database (`ALTER ROLE postgres PASSWORD '…'`), where .env counts only when the "
        f"data folder is made; then in .env, {RECREATE}",
    ),
    Published(
        "dify-redis-password",
        {"REDIS_PASSWORD": "{}", "CELERY_BROKER_URL": "redis://:{}@redis:6379/1"},
        frozenset({"difyai123456"}),
        f"set it in both, {RECREATE}",
    ),
    _published(
        "dify-plugin-daemon-key",
        "PLUGIN_DAEMON_KEY",
        value="lYkiYYT6owG+71oLerGzA7GXCgOT++6ovaezWAjpCjf+Sjc3ZtU+qUEi",
        change=f"set a new one, {RECREATE}",
    ),
    _published(
        "dify-plugin-inner-api-key",
        "PLUGIN_DIFY_INNER_API_KEY",
        value="QaHbTe77CtuXmsfyhR7+vRjI/+XbV1AaFy691iy+kGDv2Jvy0/eAh8Y1",
        change=f"set a new one, {RECREATE}",
    ),
    _published(
        "dify-sandbox-api-key",
        "SANDBOX_API_KEY",
        "CODE_EXECUTION_API_KEY",
        value="dify-sandbox",
        change=f"set the same in both, {RECREATE}",
    ),
    _published(
        "dify-weaviate-api-key",
        "WEAVIATE_API_KEY",
        "WEAVIATE_AUTHENTICATION_APIKEY_ALLOWED_KEYS",
        value="WVF5YThaHlkYwhGUSmCRgsX3tD5ngdN8pkih",
        change=f"set the same in both, {RECREATE}",
    ),
    _published(
        "dify-agent-api-token",
        "DIFY_AGENT_API_TOKEN",
        value="dify-agent-run-token-for-dev-only",
        change=f"set a new one, {RECREATE}",
    ),
    _published(
        "dify-agent-server-secret-key",
        "DIFY_AGENT_SERVER_SECRET_KEY",
        value="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
        change=f"set 32 random bytes in unpadded base64url, {RECREATE}",
    ),
    _published(
        "dify-agent-sandbox-token",
        "DIFY_AGENT_LOCAL_SANDBOX_AUTH_TOKEN",
        "DIFY_AGENT_SHELLCTL_AUTH_TOKEN",  # its name in 1.16
        value="",
        change=f"set one (empty lets everybody in), {RECREATE}",
    ),
)

# Not a secret, but the lack of one: Weaviate's key protects nothing while this is true.
ANONYMOUS = "WEAVIATE_AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED"

NEVER_FOLLOW = frozenset(
    {name for entry in PUBLISHED for name in entry.variables} | {"INIT_PASSWORD", ANONYMOUS}
)
"""Variables that an upgrade leaves alone: 1.14.1's empty SECRET_KEY, for one, would be another key."""


def replaced_at_first(version: EnvFolder, secrets: Mapping[str, str], init_password: str) -> dict[str, str]:
    """Variables for an installation whose data does not exist yet: no published secret is left.

    Args:
        version: what is to be installed.
        secrets: name (as in :mod:`provision.domain.secrets`) to value.
        init_password: what guards the set-up page until the admin exists.
    """
    wanted = {"INIT_PASSWORD": init_password}
    for entry in PUBLISHED:
        wanted |= _filled(entry.listed(version), secrets[entry.secret])
    if ANONYMOUS in version.names:
        wanted[ANONYMOUS] = "false"
    return wanted


def replaced_at_upgrade(old: EnvFolder, new: EnvFolder, secrets: Mapping[str, str]) -> dict[str, str]:
    """Variables for the secrets that a new version brings with it; those that are in use stay."""
    wanted: dict[str, str] = {}
    for entry in PUBLISHED:
        if not entry.listed(old):
            wanted |= _filled(entry.listed(new), secrets[entry.secret])
    return wanted


def still_published(version: EnvFolder, owner: EnvFolder) -> Iterator[tuple[tuple[str, ...], str]]:
    """The variables with which everybody could come in, and how to change them.

    A variable that the owner does not set has upstream's value. (An empty SECRET_KEY is none of these from
    1.14.1 on: Dify makes one and keeps it.)

    Args:
        version: what is installed.
        owner: the files of the installation.
    """
    found = {**values(version.env), **values(owner.env)}
    for entry in PUBLISHED:
        # Under an older name it counts too, where the new one is empty.
        read = {name for name in entry.variables if name in version.names and found.get(name)}
        open_to_all = tuple(
            name
            for name, around in entry.listed(version).items()
            if found.get(name, "") in {around.format(value) for value in entry.values}
            and (found.get(name) or not read)
        )
        if open_to_all:
            yield open_to_all, entry.change
    if found.get(ANONYMOUS, "").lower() == "true":
        yield (ANONYMOUS,), f"set it to false, {RECREATE}"


def _filled(variables: Mapping[str, str], value: str) -> dict[str, str]:
    return {name: around.format(value) for name, around in variables.items()}
