"""What our settings become in Dify's .env, and how its secrets look."""

from __future__ import annotations

import subprocess
from io import StringIO

import paramiko
import pytest

from provision.domain.dify_env import (
    COUNTING,
    MANAGED,
    addresses,
    counts_tokens,
    has_https,
    managed,
    merged,
    published_port,
    wrong_links,
)
from provision.domain.env_merge import EnvFolder
from provision.domain.secrets import ALL, RECIPES, SSH_KEY, Kind
from provision.domain.settings import DifySettings
from provision.facts.docker import NginxVariables

LONG = EnvFolder(
    "EXPOSE_NGINX_PORT=80\nEXPOSE_NGINX_SSL_PORT=443\nAPP_WEB_URL=\nFILES_URL=\nPIP_MIRROR_URL=\n",
    compose="services: {plugin_daemon: {environment: {A: '${PLUGIN_PYTHON_ENV_INIT_TIMEOUT:-120}'}}}",
)
SPLIT = EnvFolder(LONG.env, {"envs/core-services/api.env": "APP_WEB_URL=\n"})


def test_links_carry_the_port_and_api_calls_stay_relative() -> None:
    values = addresses("http://192.168.1.117:81")
    assert values == {
        "CONSOLE_WEB_URL": "http://192.168.1.117:81",
        "SERVICE_API_URL": "http://192.168.1.117:81",
        "APP_WEB_URL": "http://192.168.1.117:81",
        "FILES_URL": "http://192.168.1.117:81",
        "TRIGGER_URL": "http://192.168.1.117:81",
        "ENDPOINT_URL_TEMPLATE": "http://192.168.1.117:81/e/{hook_id}",
        "NEXT_PUBLIC_SOCKET_URL": "ws://192.168.1.117:81",
        "SERVER_CONSOLE_API_URL": "http://api:5001",
        "INTERNAL_FILES_URL": "http://api:5001",
    }
    assert addresses("https://bot.example.com")["NEXT_PUBLIC_SOCKET_URL"] == "wss://bot.example.com"


def test_the_published_port_is_the_setting_and_not_the_urls() -> None:
    values = managed(DifySettings(port=8081), "https://bot.example.com", SPLIT)
    assert values["EXPOSE_NGINX_PORT"] == "8081"
    assert values["APP_WEB_URL"] == "https://bot.example.com"


def test_what_a_version_that_lists_everything_does_not_know_is_left_out() -> None:
    assert managed(DifySettings(env={"MINE": "1"}), "http://h", LONG) == {
        "EXPOSE_NGINX_PORT": "81",
        "EXPOSE_NGINX_SSL_PORT": "443",
        "APP_WEB_URL": "http://h",
        "FILES_URL": "http://h",
        "PIP_MIRROR_URL": "",
        "PLUGIN_PYTHON_ENV_INIT_TIMEOUT": "600",
        "MINE": "1",
    }
    assert managed(DifySettings(), "http://h", SPLIT).keys() <= MANAGED


@pytest.mark.parametrize(
    ("site_url", "api_url"),
    [("http://h:81", "http://h:81/v1"), ("http://H:81/", "http://h:81/v1"), ("", "")],
)
def test_links_that_are_right(site_url: str, api_url: str) -> None:
    assert wrong_links("http://h:81", site_url, api_url) == []


def test_links_that_lost_their_port_are_told_with_the_variable_that_mends_them() -> None:
    found = wrong_links("http://h:81", "http://h", "http://127.0.0.1:81/v1")
    assert found == [
        "Dify makes chat links with http://h, and dify.public_url says http://h:81; "
        "see APP_WEB_URL in its .env",
        "Dify makes API addresses with http://127.0.0.1:81, and dify.public_url says http://h:81; "
        "see SERVICE_API_URL in its .env",
    ]
    assert wrong_links("http://h", "http://h:80", "http://h/v1") == []


def test_a_plugin_mirror_needs_its_lock_file_ignored() -> None:
    mirror = DifySettings(pip_mirror_url="https://mirror.example/simple")
    assert managed(mirror, "http://h", SPLIT)["PLUGIN_IGNORE_UV_LOCK"] == "true"
    taken_back = managed(DifySettings(), "http://h", SPLIT)
    assert (taken_back["PIP_MIRROR_URL"], taken_back["PLUGIN_IGNORE_UV_LOCK"]) == ("", "false")


def test_the_time_outs_of_an_installation_reach_the_daemon_in_its_units() -> None:
    slow = DifySettings(plugin_install_timeout=1810, plugin_silence_timeout=1200)
    values = managed(slow, "http://h", SPLIT)
    assert values["PLUGIN_PYTHON_ENV_INIT_TIMEOUT"] == "1200"
    assert values["PLUGIN_INSTALL_TIMEOUT"] == "31"
    assert managed(DifySettings(), "http://h", SPLIT)["PLUGIN_INSTALL_TIMEOUT"] == "15"


def test_a_secret_does_not_follow_an_upgrade() -> None:
    old, new = EnvFolder("SECRET_KEY=sk-published\n"), EnvFolder("SECRET_KEY=\n", {"envs/a.env": "A=1\n"})
    assert merged(old, old, new, {}).text == old.env


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


def read(text: str) -> dict[str, str]:
    return NginxVariables().process(text.split("\n"))


def test_the_published_port_is_read_back() -> None:
    assert published_port(read(LONG.env)) == 80
    assert published_port(managed(DifySettings(port=8081), "http://h", LONG)) == 8081
    assert published_port(read("EXPOSE_NGINX_PORT=80\r\nEXPOSE_NGINX_PORT='127.0.0.1:8080'\r\n")) == 8080
    assert published_port(read("# EXPOSE_NGINX_PORT=1\nEXPOSE_NGINX_PORT=\n")) is None


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ('EXPOSE_NGINX_PORT="81"', 81),
        ("EXPOSE_NGINX_PORT='81'", 81),
        ("EXPOSE_NGINX_PORT=127.0.0.1:81", 81),
        ('EXPOSE_NGINX_PORT="127.0.0.1:81" # only here', 81),
        ("EXPOSE_NGINX_PORT=[::1]:81", 81),
        ("EXPOSE_NGINX_PORT=81 # the LAN's", 81),
        ("EXPOSE_NGINX_PORT=81\t# the LAN's", None),  # to Compose no comment
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
    assert published_port(read(f"A=1\n{line}\nB=2\n")) == port


def test_https_is_on_by_one_word_only() -> None:
    for line, on in (("true", True), ('"true"  # yes', True), ("True", False), ("1", False), ("", False)):
        assert has_https(read(f"NGINX_HTTPS_ENABLED={line}")) is on
    assert not has_https({})


def test_a_debugging_port_that_is_taken_back_is_difys_default_again() -> None:
    asked, default = (
        managed(dify, "http://h", SPLIT)["EXPOSE_PLUGIN_DEBUGGING_PORT"]
        for dify in (DifySettings(plugin_debugging_port=5004), DifySettings())
    )
    assert (asked, default) == ("5004", "5003")


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        (EnvFolder(f"{COUNTING}=true\n"), True),
        (EnvFolder("", {"envs/security.env": f"{COUNTING}='True'\n"}), True),
        (EnvFolder(f"{COUNTING}=false\n", {"envs/security.env": f"{COUNTING}=true\n"}), False),
        (EnvFolder("EXPOSE_NGINX_PORT=80\n"), False),
    ],
)
def test_whether_an_owners_dify_counts_tokens(folder: EnvFolder, counts: bool) -> None:
    assert counts_tokens(folder) is counts


def test_ours_counts_tokens_in_both_layouts() -> None:
    listed = EnvFolder(f"{COUNTING}=false\n")
    assert managed(DifySettings(), "http://h", listed) == {COUNTING: "true"}
    assert managed(DifySettings(), "http://h", SPLIT)[COUNTING] == "true"
