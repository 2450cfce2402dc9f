"""Dify's .env: ours are set where they stand, everything else keeps its bytes."""

from __future__ import annotations

import subprocess
from io import StringIO

import paramiko
import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.dify_env import (
    difference,
    has_https,
    initial,
    managed,
    parse,
    published_port,
    with_values,
)
from provision.domain.secrets import ALL, DIFY, RECIPES, SSH_KEY, Kind
from provision.domain.settings import DifySettings

EXAMPLE = """\
# Ports
EXPOSE_NGINX_PORT=80
EXPOSE_NGINX_SSL_PORT=443

SECRET_KEY=
# EXPOSE_NGINX_PORT=1
"""


def test_values_are_set_where_they_stand_and_comments_stay() -> None:
    assert with_values(EXAMPLE, {"EXPOSE_NGINX_PORT": "81"}) == EXAMPLE.replace("PORT=80", "PORT=81")


def test_missing_variables_are_appended_once() -> None:
    once = with_values(EXAMPLE, {"NEW": "1"})
    assert once.endswith("\n# Added by dify-vllm-deploy\nNEW=1\n")
    assert with_values(once, {"NEW": "1"}) == once


def test_line_ends_stay_as_they_are() -> None:
    windows = EXAMPLE.replace("\n", "\r\n")
    wanted = with_values(windows, {"EXPOSE_NGINX_PORT": "81", "NEW": "1"})
    assert wanted.count("\r\n") == wanted.count("\n")
    assert "EXPOSE_NGINX_PORT=81\r\n" in wanted
    assert with_values(wanted, {"EXPOSE_NGINX_PORT": "81", "NEW": "1"}) == wanted
    assert with_values(windows, {}) == windows


def test_an_owners_line_is_not_touched() -> None:
    own = EXAMPLE + "HTTP_PROXY='http://me:$ecret@proxy'  # mine\n"
    assert own.splitlines()[-1] in with_values(own, {"SECRET_KEY": "k7x"}).splitlines()


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z_]{0,8}", fullmatch=True),
        st.from_regex(r"[ -&(-\[\]-~]{0,20}", fullmatch=True),
    )
)
def test_what_is_written_is_what_is_read(values: dict[str, str]) -> None:
    from io import StringIO

    text = with_values(EXAMPLE, values)
    assert with_values(text, values) == text
    read = dotenv_values(stream=StringIO(text), interpolate=False)
    assert {name: read[name] for name in values} == values
    assert {name: parse(text)[name] for name in values} == values


def test_the_difference_names_variables_and_never_values() -> None:
    assert difference("A=1\nB=2\n", "A=1\nB=3\nC=4\n") == ["B", "C"]


def test_links_carry_the_port_and_api_calls_stay_relative() -> None:
    values = managed(DifySettings(), "http://192.168.1.117:81")
    assert values["APP_WEB_URL"] == values["FILES_URL"] == "http://192.168.1.117:81"
    assert values["ENDPOINT_URL_TEMPLATE"] == "http://192.168.1.117:81/e/{hook_id}"
    assert values["EXPOSE_NGINX_PORT"] == "81"
    assert "CONSOLE_API_URL" not in values
    assert "APP_API_URL" not in values


def test_a_plugin_mirror_needs_its_lock_file_ignored() -> None:
    mirror = DifySettings(pip_mirror_url="https://mirror.example/simple")
    assert managed(mirror, "http://h")["PLUGIN_IGNORE_UV_LOCK"] == "true"
    taken_back = managed(DifySettings(), "http://h")
    assert (taken_back["PIP_MIRROR_URL"], taken_back["PLUGIN_IGNORE_UV_LOCK"]) == ("", "false")


def test_pairs_are_equal_and_every_published_secret_is_replaced() -> None:
    values = initial({name: f"value-of-{name}" for name in DIFY}, "init")
    assert values["SANDBOX_API_KEY"] == values["CODE_EXECUTION_API_KEY"]
    assert values["WEAVIATE_API_KEY"] == values["WEAVIATE_AUTHENTICATION_APIKEY_ALLOWED_KEYS"]
    assert values["REDIS_PASSWORD"] in values["CELERY_BROKER_URL"]
    assert {f"value-of-{name}" for name in DIFY} <= set(values.values())


def made(kind: Kind) -> str:
    return subprocess.run(["sh", "-c", RECIPES[kind]], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("kind", set(ALL.values()))
def test_secrets_have_the_form_that_their_reader_wants(kind: Kind) -> None:
    value = made(kind)
    assert value != made(kind)
    lengths = {"word": 42, "short_word": 28, "base64url": 43}
    assert len(value) == lengths[kind]
    if kind != "base64url":
        assert value.isalnum()
        assert value[0].isalpha()
        assert value[1].isdigit()


def test_a_tunnels_key_is_one_that_ssh_and_paramiko_read() -> None:
    value = made(SSH_KEY)
    key = paramiko.Ed25519Key.from_private_key(StringIO(value.strip()))
    assert value.endswith("-----END OPENSSH PRIVATE KEY-----\n")
    assert key.get_base64() != paramiko.Ed25519Key.from_private_key(StringIO(made(SSH_KEY))).get_base64()


def test_the_published_port_is_read_back() -> None:
    assert published_port(parse(EXAMPLE)) == 80
    assert published_port(parse(with_values(EXAMPLE, managed(DifySettings(port=8081), "http://h")))) == 8081
    assert published_port(parse("EXPOSE_NGINX_PORT=80\r\nEXPOSE_NGINX_PORT='127.0.0.1:8080'\r\n")) == 8080
    assert published_port(parse("# EXPOSE_NGINX_PORT=1\nEXPOSE_NGINX_PORT=\n")) is None


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ('EXPOSE_NGINX_PORT="81"', 81),
        ("EXPOSE_NGINX_PORT='81'", 81),
        ("EXPOSE_NGINX_PORT=127.0.0.1:81", 81),
        ('EXPOSE_NGINX_PORT="127.0.0.1:81" # only here', 81),
        ("EXPOSE_NGINX_PORT=[::1]:81", 81),
        ("EXPOSE_NGINX_PORT=81 # the LAN's", 81),
        ("EXPOSE_NGINX_PORT=81\t# the LAN's", 81),
        ("  export  EXPOSE_NGINX_PORT = 81  ", 81),
        ("EXPOSE_NGINX_PORT=81\r", 81),
        ("EXPOSE_NGINX_PORT= # none", None),
        ("EXPOSE_NGINX_PORT=81#2", None),
        ("EXPOSE_NGINX_PORT=8080-8090", None),
        ("EXPOSE_NGINX_PORT=${PORT:-81}", None),
        ("MY_EXPOSE_NGINX_PORT=81", None),
    ],
)
def test_every_spelling_of_the_published_port(line: str, port: int | None) -> None:
    assert published_port(parse(f"A=1\n{line}\nB=2\n")) == port


def test_https_is_on_by_one_word_only() -> None:
    for line, on in (("true", True), ('"true"  # yes', True), ("True", False), ("1", False), ("", False)):
        assert has_https(parse(f"NGINX_HTTPS_ENABLED={line}")) is on
    assert not has_https({})


def test_a_debugging_port_that_is_taken_back_is_difys_default_again() -> None:
    asked, default = (
        managed(dify, "http://h")["EXPOSE_PLUGIN_DEBUGGING_PORT"]
        for dify in (DifySettings(plugin_debugging_port=5004), DifySettings())
    )
    assert (asked, default) == ("5004", "5003")
