"""What is shown of a changed .env is enough to understand it and holds no secret."""

from __future__ import annotations

import pytest

from provision.domain.env_diff import HIDDEN, masked, shown
from provision.domain.env_merge import Change


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("DB_PASSWORD", "difyai123456"),
        ("PLUGIN_DAEMON_KEY", "'x'"),
        ("SMTP_PASSWORD", "1234"),
        ("DIFY_AGENT_SHELLCTL_AUTH_TOKEN", "k7abc"),
        ("API_SENTRY_DSN", "https://a@b/1"),
        ("AZURE_BLOB_CONNECTION_STRING", "AccountName=x"),
        ("SOMETHING", "k7Hf0gT3nMz5QpLw9RbXcY2d"),
    ],
)
def test_a_secret_is_hidden_by_its_name_or_its_look(name: str, raw: str) -> None:
    assert masked(name, raw) == HIDDEN


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("EXPOSE_NGINX_PORT", "81", "81"),
        ("APP_WEB_URL", "http://192.168.1.117:81", "http://192.168.1.117:81"),
        ("WEAVIATE_AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "true", "true"),
        ("SECRET_KEY", "", "empty"),
        ("SECRET_KEY", None, "unset"),
        ("CELERY_BROKER_URL", "redis://:hunter2@redis:6379/1", f"redis://{HIDDEN}@redis:6379/1"),
        ("PIP_MIRROR_URL", "https://me:pw@mirror/simple", f"https://{HIDDEN}@mirror/simple"),
        ("PIP_MIRROR_URL", "https://me:p/w@x@mirror/simple", f"https://{HIDDEN}@mirror/simple"),
        ("PIP_MIRROR_URL", "https://mirror/simple?token=abc", f"https://mirror/simple?{HIDDEN}"),
        ("CODE_EXECUTION_ENDPOINT", "http://sandbox:8194", "http://sandbox:8194"),
    ],
)
def test_what_is_no_secret_is_shown(name: str, raw: str | None, expected: str) -> None:
    assert masked(name, raw) == expected


def test_one_line_a_change_with_its_reason() -> None:
    changes = [
        Change("EXPOSE_NGINX_PORT", "80", "81", "ours"),
        Change("SECRET_KEY", "sk-1", "k7new", "ours"),
        Change("NEW", None, "1", "ours"),
        Change("MINE", None, "private", "ours"),
        Change("REDIS_KEEPALIVE", None, "true", "new"),
        Change("DB_HOST", "db", "db_postgres", "followed"),
        Change("STEPS", "hunter2", "99", "kept"),
        Change("POSTGRES_PASSWORD", "hunter2", None, "removed"),
    ]
    lines = shown(changes, private={"MINE"})
    assert lines == [
        "~ EXPOSE_NGINX_PORT: 80 → 81",
        f"~ SECRET_KEY: {HIDDEN} → {HIDDEN}",
        "+ NEW=1",
        f"+ MINE={HIDDEN}",
        "+ REDIS_KEEPALIVE=true (new in Dify)",
        "~ DB_HOST: db → db_postgres (Dify's default, which you had)",
        "= STEPS: yours stays; Dify's default is 99 now",
        "- POSTGRES_PASSWORD: no longer known to Dify, kept as a comment",
    ]
