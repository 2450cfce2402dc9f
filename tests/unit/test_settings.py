"""Settings are refused early, with a message that names setting, value and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from provision.domain.deployment import Deployment, deployment
from provision.domain.validation import SettingsError, merged, parse

GROUPS = {"chat": ["a"], "embed": ["b"], "score": ["c"], "dify": ["d"]}
PLACES = {name: {"ssh_hostname": f"10.0.0.{number}"} for number, name in enumerate("abcd", 1)}


def build(**changes: dict[str, Any]) -> Deployment:
    return deployment(GROUPS, {host: merged(PLACES[host], changes.get(host, {})) for host in PLACES})


def problems(**changes: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        build(**changes)
    return caught.value.problems


def test_defaults_make_the_owners_four_machines() -> None:
    plan = build()
    assert plan.servers["chat"].endpoint == "http://10.0.0.1:8080/v1"
    assert plan.servers["chat"].settings.max_model_len == 1024
    assert plan.servers["chat"].model_dir == "/srv/dify-vllm/models/Qwen--Qwen3-0.6B@master"
    assert plan.servers["embed"].endpoint == "http://host.docker.internal:18001/v1"
    assert [server.listen_address for server in plan.servers.values()] == [
        "0.0.0.0",
        "127.0.0.1",
        "127.0.0.1",
    ]
    assert plan.dify_url == "http://10.0.0.4:81"
    assert [server.role for server in plan.on("b")] == ["embed"]


def test_each_revision_has_a_folder_of_its_own() -> None:
    server = build(a={"chat": {"revision": "v1.0.0"}}).servers["chat"]
    assert server.model_dir == "/srv/dify-vllm/models/Qwen--Qwen3-0.6B@v1.0.0"
    assert server.staging_dir == "/srv/dify-vllm/models/.staging/Qwen--Qwen3-0.6B@v1.0.0"
    other = build().servers["chat"]
    assert server.revisions == other.revisions
    for folder, beginning in zip((other.model_dir, other.staging_dir), server.revisions, strict=True):
        assert folder.startswith(beginning)


def beside_dify(**chat: Any) -> Deployment:
    """Chat in the WSL that Dify is in, reached by an address that is another one tomorrow."""
    data = {"ssh_hostname": "172.19.173.46", "chat": chat, "dify": {"public_url": "http://192.168.1.117:81"}}
    return deployment({"chat": ["wsl"], "dify": ["wsl"]}, {"wsl": data})


def test_a_model_beside_dify_is_reached_by_dockers_name_for_the_host() -> None:
    assert beside_dify(listen_port=8090).servers["chat"].endpoint == "http://host.docker.internal:8090/v1"
    own = "http://192.168.1.117:8080/v1"
    assert beside_dify(endpoint=own).servers["chat"].endpoint == own


def test_containers_do_not_reach_the_loopback_of_their_host() -> None:
    with pytest.raises(SettingsError) as caught:
        beside_dify(listen_address="127.0.0.1")
    assert caught.value.problems == [
        "wsl: chat.listen_address = 127.0.0.1 is out of reach of Dify's containers, which come through "
        "Docker's bridge to http://host.docker.internal:8080/v1; set it to 0.0.0.0"
    ]


def test_an_own_folder_is_used_as_it_is() -> None:
    path = "/mnt/d/gx/Desktop/Model/Qwen3-0___6B"
    assert build(a={"chat": {"model_path": path}}).servers["chat"].model_dir == path


@pytest.mark.parametrize(
    ("host", "data", "expected"),
    [
        (
            "a",
            {"chat": {"max_modle_len": 1}},
            "a: chat.max_modle_len is not a setting; did you mean 'max_model_len'?",
        ),
        ("a", {"chta": {}}, "a: chta is not a setting"),
        ("d", {"dify": {"port": 70000}}, "d: dify.port = 70000: must be a port from 1 to 65535"),
        ("d", {"dify": {"bot": {"tempreature": 1}}}, "did you mean 'temperature'?"),
        ("d", {"dify": {"bot": {"name": r"help\bot"}}}, r"d: dify.bot.name = 'help\\bot': "),
        ("d", {"dify": {"folder": "/mnt/c/dify"}}, "must not lie on a Windows drive"),
        ("d", {"dify": {"folder": "/opt/../mnt//c/dify"}}, "must not lie on a Windows drive"),
        ("d", {"dify": {"env": {"A": "it's", "B": "private"}}}, "d: dify.env: A holds a quote"),
        ("d", {"dify": {"env": {"A\nB": "1"}}}, "is not the name of a variable"),
        (
            "d",
            {"dify": {"env": {"EXPOSE_NGINX_PORT": "90"}}},
            "dify.env.EXPOSE_NGINX_PORT is managed by a setting",
        ),
        ("a", {"chat": {"listen_address": "10.0.0.1; x"}}, "a: chat.listen_address = '10.0.0.1; x'"),
        ("a", {"serving": {"data_dir": "/data disk"}}, "may hold letters, digits and"),
        ("a", {"serving": {"index_url": "https://me:secret@mirror/simple"}}, "must not hold a user name"),
        ("d", {"dify": {"port": 443}}, "port and ssl_port are both 443"),
        ("d", {"dify": {"port": "free"}}, "dify.port = 'free': must be a port from 1 to 65535, or 'auto'"),
        ("d", {"dify": {"plugin_debugging_port": 81}}, "port and plugin_debugging_port are both 81"),
        (
            "d",
            {"dify": {"port": "auto", "public_url": "http://192.168.1.117:81"}},
            "names a port while port is 'auto'; leave it out there",
        ),
        ("d", {"dify": {"lan_access": True}}, "lan_access = True: must be 'localsubnet', 'any', a list"),
        ("d", {"dify": {"lan_access": []}}, "or None for nobody"),
        ("d", {"dify": {"lan_access": ["192.168.1.5/24"]}}, "has host bits set"),
        ("d", {"dify": {"lan_access": ["0.0.0.0/0"]}}, "0.0.0.0/0 is everybody: say 'any'"),
        ("d", {"dify": {"lan_access": ["nas"]}}, "nas"),
        ("d", {"dify": {"lan_profiles": ["work"]}}, "'domain', 'private' or 'public'"),
        ("d", {"dify": {"lan_profiles": []}}, "at least 1 item"),
        (
            "c",
            {"score": {"endpoint": "http://i-1.gpushare.com:43044"}},
            "must end with /v1, for instance http://i-1.",
        ),
        ("b", {"embed": {"endpoint": "http://gpu:99999/v1"}}, "Port out of range"),
        ("b", {"embed": {"endpoint": "http://gpu:80?x=/v1"}}, "must not hold a query"),
        ("b", {"serving": {"find_links": ["https://me:pw@mirror/x"]}}, "must not hold a user name"),
        ("b", {"embed": {"endpoint": "http://localhost:8000/v1"}}, "is a loopback address"),
        ("b", {"embed": {"endpoint": "http://127.0.0.1:8000/v1"}}, "is a loopback address"),
        ("a", {"ssh_hostname": "127.0.0.1"}, "a: chat.endpoint is not set"),
        ("b", {"embed": {"transport": "public"}}, "b: embed.transport is public, but embed.endpoint is not"),
        (
            "b",
            {"embed": {"endpoint": "http://i-2.gpushare.com:42141/v1"}},
            "is where a public or direct model is found, but embed.transport is tunnel; take the",
        ),
        ("c", {"ssh_hostname": "@local"}, "c: score.transport is tunnel, which ends at an sshd, and @local"),
        (
            "c",
            {"score": {"listen_address": "0.0.0.0"}},
            "but a tunnel ends on the box's loopback and nothing",
        ),
        ("c", {"ssh_strict_host_key_checking": "no"}, "ssh_strict_host_key_checking is off; set it to 'yes'"),
        ("c", {"score": 5}, "c: score = 5 is no group of settings"),
        ("d", {"dify": 5}, "d: dify = 5 is no group of settings"),
        ("c", {"score": {"tunnel_address": "-oProxyCommand=x"}}, "c: score.tunnel_address = '-oProxyCom"),
        ("a", {"chat": {"model_path": "Model/Qwen3"}}, "must be an absolute path"),
        ("a", {"chat": {"vllm_port": 8080}}, "a: port 8080 is used by chat.listen_port and chat.vllm_port"),
        (
            "a",
            {"chat": {"extra_args": ["--max_model_len=5"]}},
            "--max-model-len, which is managed by a setting",
        ),
        ("a", {"chat": {"extra_args": ["--uds", "/run/x"]}}, "args: --uds is managed by a setting of"),
        ("a", {"chat": {"extra_args": ["--api-key=s3cret"]}}, "args: --api-key is managed by a setting of"),
        (
            "a",
            {"chat": {"extra_args": ["--conv=embed"]}},
            "--conv stands for --convert, which is managed by a setting of its own",
        ),
        *(
            ("a", {"chat": {"revision": name}}, f"a: chat.revision = {name!r}: must begin with a letter")
            for name in ("", "release/1.0", "../x", "-v", "a b", "v1\n", "x" * 101)
        ),
        (
            "a",
            {"chat": {"tensor_parallel_size": 0}},
            "a: chat.tensor_parallel_size = 0: must be a number of GPUs",
        ),
        ("a", {"chat": {"tensor_parallel_size": "all"}}, "or 'auto' for all of the host"),
        ("a", {"serving": {"allow_vulnerable_vllm": "yes"}}, "Input should be 'CVE-2026-22778'"),
        (
            "d",
            {"dify": {"bot": {"max_tokens": 1024}}},
            "leaves no room for a question in chat.max_model_len = 1024",
        ),
        ("d", {"ssh_hostname": "localhost"}, "d: dify.public_url is not set"),
        ("d", {"wsl_distribution": "Debian"}, "d: wsl_distribution is of no use here; name the host @wsl/"),
        ("d", {"dify": {"public_url": "http://h:81/dify"}}, "holds a path, and Dify works at the root of"),
        (
            "a",
            {"serving": {"data_dir": "hy-tmp"}},
            "a: serving.data_dir = 'hy-tmp': must be an absolute path",
        ),
    ],
)
def test_refused(host: str, data: dict[str, Any], expected: str) -> None:
    found = problems(**{host: data})
    assert len(found) == 1
    assert expected in found[0]


def test_every_problem_is_told_at_once() -> None:
    found = problems(a={"chat": {"vllm_port": 0}}, b={"embed": {"nmae": 1}}, d={"dify": {"port": 0}})
    assert [line.split(":")[0] for line in found] == ["a", "b", "d"]


def test_a_host_may_hold_all_roles_when_their_ports_differ() -> None:
    groups = {role: ["a"] for role in GROUPS}
    one = merged(
        PLACES["a"],
        {
            "embed": {"listen_port": 8081, "transport": "direct"},
            "score": {"listen_port": 8082, "transport": "direct"},
        },
    )
    assert [server.role for server in deployment(groups, {"a": one}).on("a")] == ["chat", "embed", "score"]
    with pytest.raises(SettingsError, match=r"port 8080 is used by chat\.listen_port and embed\.listen_port"):
        deployment(groups, {"a": merged(one, {"embed": {"listen_port": 8080}})})
    with pytest.raises(SettingsError, match=r"a: score\.transport is tunnel, but the model is on Dify's own"):
        deployment(groups, {"a": merged(one, {"score": {"transport": "tunnel"}})})


def test_a_tunnel_ends_on_a_port_of_its_own() -> None:
    assert problems(b={"embed": {"tunnel_port": 18002}}) == [
        "d: port 18002 is used by embed.tunnel_port and score.tunnel_port; give each its own"
    ]


def test_roles_need_a_host_and_only_one() -> None:
    with pytest.raises(SettingsError, match="no host has the role dify"):
        deployment({"chat": ["a"]}, {"a": PLACES["a"]})
    with pytest.raises(SettingsError, match="role chat is given to a, b"):
        deployment({"chat": ["a", "b"], "dify": ["d"]}, PLACES)


def test_a_distribution_behind_windows_is_published_at_windows_address() -> None:
    groups = GROUPS | {"dify": ["@wsl/10.0.0.4"]}
    places = {**PLACES, "@wsl/10.0.0.4": {"wsl_distribution": "Debian"}}
    assert deployment(groups, places).dify_url == "http://10.0.0.4:81"
    # pyinfra puts the name's address into the host's data by itself.
    places["@wsl/10.0.0.4"]["ssh_hostname"] = "10.0.0.4"
    assert deployment(groups, places).dify_url == "http://10.0.0.4:81"


@pytest.mark.parametrize("host", ["@wsl/10.0.0.4", "@local"])
def test_a_model_beside_dify_needs_no_address(host: str) -> None:
    plan = deployment(
        {"chat": [host], "dify": [host]}, {host: {"dify": {"public_url": "http://10.0.0.4:81"}}}
    )
    assert plan.servers["chat"].endpoint == "http://host.docker.internal:8080/v1"


def test_layers_merge_key_by_key() -> None:
    low = {"chat": {"env": {"A": "1"}, "vllm_port": 1}, "serving": {"data_dir": "/a"}}
    high = {"chat": {"env": {"B": "2"}}}
    assert merged(low, high)["chat"] == {"env": {"A": "1", "B": "2"}, "vllm_port": 1}
    assert low["chat"]["env"] == {"A": "1"}


def test_group_data_holds_every_setting_with_its_default() -> None:
    """What group_data/ shows as defaults is what the code takes as defaults."""
    import runpy

    for namespace, file in {
        "serving": "all",
        "chat": "chat",
        "embed": "embed",
        "score": "score",
        "dify": "dify",
    }.items():
        shown = runpy.run_path(f"group_data/{file}.py")[namespace]
        assert parse(namespace, shown, where="group_data") == parse(namespace, {}, where="defaults")
        model = type(parse(namespace, {}, where=""))
        assert set(shown) == set(model.model_fields), namespace


@pytest.mark.parametrize("entry", ["/data/models", "docker_cache"])
def test_what_backups_leave_out(entry: str) -> None:
    assert build(d={"dify": {"backup": {"leave_out": [entry]}}}).dify.backup.leave_out == [entry]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("./models", "must be an absolute path on the host, or the name of a Docker volume"),
        ("", "must be an absolute path on the host, or the name of a Docker volume"),
        (
            "/opt/dify/docker/volumes/app",
            "/opt/dify/docker/volumes/app in folder, which is packed as a whole",
        ),
    ],
)
def test_what_backups_cannot_leave_out(entry: str, why: str) -> None:
    [problem] = problems(d={"dify": {"backup": {"leave_out": [entry]}}})
    assert why in problem
