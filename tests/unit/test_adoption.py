"""A Dify that somebody set up by hand: found, or refused, and taken with the ports that it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from local_host import LocalHost
from pyinfra.api import FactBase, FunctionCommand, StringCommand
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.files import Directory

from provision.domain.adoption import (
    FOLDER,
    PLACE,
    AdoptionError,
    Installation,
    adopted,
    as_published,
    other_ports,
)
from provision.domain.compose_files import Choice
from provision.domain.deployment import Deployment, deployment
from provision.domain.settings import DifySettings
from provision.domain.whose import Made
from provision.facts.adoption import (
    ComposeFiles,
    ComposeProject,
    Installations,
    MadeByHand,
    RememberedFolder,
)
from provision.facts.containers import ComposeContainers, ComposeStack, Container, Stack
from provision.facts.docker import NginxVariables
from provision.facts.git import CheckedOutTag
from provision.operations import adoption as adoption_operations
from provision.operations import dify_containers, dify_stack
from tasks import adoption

HOME = Installation("/home/gx/dify/docker", "docker")
USUAL = Installation(f"{FOLDER}/docker", "docker")
OTHER = Installation("/srv/dify/docker", "docker")


def settings(**dify: object) -> Deployment:
    return deployment(
        {"chat": ["m"], "dify": ["m"]},
        {"m": {"ssh_hostname": "192.168.1.117", "chat": {"transport": "direct"}, "dify": dify}},
    )


@pytest.mark.parametrize(
    ("found", "folder", "taken", "meant"),
    [
        ([], FOLDER, False, None),
        ([HOME], FOLDER, False, HOME),
        ([HOME, HOME], FOLDER, False, HOME),
        ([USUAL], FOLDER, True, None),
        ([HOME, USUAL], FOLDER, False, None),
        ([HOME], FOLDER, True, None),
        ([HOME], "/srv/mine", False, None),
        ([HOME, OTHER], "/srv/mine", False, None),
    ],
    ids=["none", "one", "two containers", "in place", "in place and another", "stopped in place",
         "a folder was named", "a folder was named, of two"],
)  # fmt: skip
def test_which_one_is_meant(
    found: list[Installation], folder: str, taken: bool, meant: Installation | None
) -> None:
    assert adopted(found, folder, taken) == meant


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([OTHER, HOME], "2 installations of Dify are here, in /home/gx/dify/docker, /srv/dify/docker; set"),
        ([Installation("D:\\dify\\docker", "docker")], r"was started from Windows, in D:\dify\docker, and"),
        ([Installation("/srv/compose", "compose")], "runs from /srv/compose, which is no docker folder"),
    ],
)
def test_what_cannot_be_gone_on_with(found: list[Installation], told: str) -> None:
    with pytest.raises(AdoptionError) as refused:
        adopted(found, FOLDER, taken=False)
    assert told in str(refused.value)
    assert "dify.folder" in str(refused.value)


@pytest.mark.parametrize(
    ("dify", "variables", "port", "ssl_port", "url"),
    [
        ({}, {"EXPOSE_NGINX_PORT": "8080", "EXPOSE_NGINX_SSL_PORT": "8443"}, 8080, 8443,
         "http://192.168.1.117:8080"),
        ({}, {}, 80, 443, "http://192.168.1.117"),
        ({"port": "auto"}, {"EXPOSE_NGINX_PORT": "127.0.0.1:85"}, 85, 443, "http://192.168.1.117:85"),
        ({"public_url": "http://bot.lan:81"}, {"EXPOSE_NGINX_PORT": "85"}, 85, 443, "http://bot.lan:81"),
        ({"public_url": "http://bot.lan", "port": "auto"}, {"EXPOSE_NGINX_PORT": "85"}, 85, 443,
         "http://bot.lan:85"),
        ({"public_url": "https://bot.lan", "port": "auto"}, {"EXPOSE_NGINX_PORT": "85"}, 85, 443,
         "https://bot.lan"),
        ({"public_url": "http://[2001:db8::1]", "port": "auto"}, {"EXPOSE_NGINX_PORT": "85"}, 85, 443,
         "http://[2001:db8::1]:85"),
    ],
)  # fmt: skip
def test_it_keeps_its_ports(
    dify: dict[str, Any], variables: dict[str, str], port: int, ssl_port: int, url: str
) -> None:
    found = as_published(settings(**dify), variables)
    assert (found.dify.port, found.dify.ssl_port, found.dify_url) == (port, ssl_port, url)


def test_a_port_that_it_keeps_against_the_settings_is_told() -> None:
    variables = {"EXPOSE_NGINX_PORT": "8085", "EXPOSE_NGINX_SSL_PORT": "8443"}
    for port, told in ((81, ["Dify keeps its port 8085; dify.port is 81"]), ("auto", []), (8085, [])):
        given = settings(port=port)
        lines = other_ports(given.dify, as_published(given, variables).dify)
        assert lines == [*told, "Dify keeps its port 8443; dify.ssl_port is 443"]


class Machine:
    """A host that says this of its Dify; it asks for nothing else."""

    name = "m"
    print_prefix = ""

    def __init__(self, facts: dict[type[FactBase[Any]], Any]) -> None:
        self._facts = facts
        self.sent: list[str] = []

    def get_fact(self, fact: type[FactBase[Any]], **arguments: Any) -> Any:
        folder = arguments.get("folder") or arguments.get("path")
        return self._facts[fact](folder) if callable(self._facts[fact]) else self._facts[fact]

    def noop(self, said: str) -> None:
        del said

    log = noop

    def run_shell_command(self, command: StringCommand, **_: object) -> tuple[bool, None]:
        self.sent.append(command.get_raw_value())
        return True, None


def made(number: str, project: str, service: str = "api", files: dict[str, bool] | None = None) -> Made:
    """A container that compose has made in Dify's folder."""
    return Made(number, service, project, "/opt/dify/docker", "here", "hash", files or {})


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replace(**changed: Any) -> None:
        facts: dict[type[FactBase[Any]], Any] = {
            Installations: [HOME],
            RememberedFolder: "",
            CheckedOutTag: "",
            Directory: False,
            ComposeStack: Stack(),
            ComposeProject: "docker",
            ComposeFiles: Choice(["docker-compose.yaml"]),
            ComposeContainers: [],
            MadeByHand: lambda folder: folder == HOME.folder,
            NginxVariables: lambda folder: {"EXPOSE_NGINX_PORT": "8080"} if folder == HOME.folder else {},
        }
        named = {fact.__name__: fact for fact in facts}
        machine = Machine(facts | {named[name]: value for name, value in changed.items()})
        for module in (adoption, dify_stack, dify_containers):
            monkeypatch.setattr(module, "host", machine)

    return replace


def test_it_is_adopted_where_it_stands(on: Any) -> None:
    on()
    found = adoption.adopted(settings())
    assert (found.dify.folder, found.dify.port) == ("/home/gx/dify", 8080)
    assert found.dify_url == "http://192.168.1.117:8080"
    on(Installations=[])
    assert adoption.adopted(settings()) == settings()


def test_one_that_was_adopted_before_is_found_without_its_containers(on: Any) -> None:
    on(Installations=[], RememberedFolder="/home/gx/dify")
    assert adoption.adopted(settings()).dify.folder == "/home/gx/dify"
    on(Installations=[HOME, OTHER], RememberedFolder="/home/gx/dify")
    assert adoption.adopted(settings()).dify.folder == "/home/gx/dify"
    on(Installations=[], RememberedFolder="/home/gx/dify", CheckedOutTag="1.16.1", MadeByHand=False)
    assert adoption.adopted(settings()) == settings()
    on(ComposeContainers=[made("1", "bot")], RememberedFolder="/home/gx/dify")
    with pytest.raises(DeployError, match="COMPOSE_PROJECT_NAME=bot"):
        adoption.adopted(settings())


def test_a_folder_that_is_gone_is_not_begun_anew_in_its_place(on: Any) -> None:
    on(Installations=[], RememberedFolder="/home/gx/dify", CheckedOutTag="", Directory=False)
    dify = adoption.adopted(settings()).dify
    [told] = dify_stack.clone._inner(dify=dify)  # type: ignore[attr-defined]
    assert "/home/gx/dify, where Dify stood, is gone. Mount it, or" in told.get_raw_value()
    assert PLACE in told.get_raw_value()


def test_where_it_stands_is_noted_once(
    here: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption_operations, "host", here)
    place = tmp_path / "lib/dify-folder"

    def commands(folder: str) -> list[StringCommand]:
        noted = adoption_operations.remembered._inner  # type: ignore[attr-defined]
        return list(noted(folder=folder, place=str(place)))

    assert commands(FOLDER) == []
    for command in commands("/home/g x/dify"):
        here.run_shell_command(command)
    assert here.get_fact(RememberedFolder, path=str(place)) == "/home/g x/dify"
    assert commands("/home/g x/dify") == []


def test_one_that_is_taken_over_gets_our_ports(on: Any) -> None:
    on()
    found = adoption.adopted(settings(take_over=True))
    assert (found.dify.folder, found.dify.port) == ("/home/gx/dify", 81)
    on(MadeByHand=False)  # and so does one that was taken over before
    assert adoption.adopted(settings()).dify.port == 81


def test_one_in_the_usual_folder_keeps_its_ports_too(on: Any) -> None:
    on(Installations=[USUAL], CheckedOutTag="1.3.1", MadeByHand=True,
       NginxVariables={"EXPOSE_NGINX_PORT": "8081"})  # fmt: skip
    found = adoption.adopted(settings())
    assert (found.dify.folder, found.dify.port) == (FOLDER, 8081)


@pytest.mark.parametrize("folder", [FOLDER, "/opt/mine"])
@pytest.mark.parametrize("taken", ["", "1.16.1"], ids=["elsewhere", "in place"])
def test_one_that_plain_compose_would_not_find_is_refused(on: Any, folder: str, taken: str) -> None:
    """Wherever it stands: others would be started on its data."""
    on(ComposeContainers=[made("1", "bot")], CheckedOutTag=taken)
    with pytest.raises(DeployError, match=r"write COMPOSE_PROJECT_NAME=bot into its \.env"):
        adoption.adopted(settings(folder=folder))
    assert adoption.adopted(settings(folder=folder), replaced=True)  # a restore removes them first
    on(ComposeContainers=[made("1", "bot")], CheckedOutTag=taken, ComposeProject="bot")
    assert adoption.adopted(settings(folder=folder))


def test_which_of_several_is_meant_is_not_guessed(on: Any) -> None:
    on(Installations=[HOME, OTHER])
    with pytest.raises(DeployError, match="m: 2 installations of Dify"):
        adoption.adopted(settings())
    on(ComposeContainers=[made("1", "bot"), made("2", "docker")])
    with pytest.raises(
        DeployError, match=r"as project bot and docker, and plain .* only one of them may run"
    ):
        adoption.adopted(settings())


def test_a_name_of_the_settings_starts_no_second_one(on: Any) -> None:
    another = {"COMPOSE_PROJECT_NAME": "bot"}
    on(ComposeContainers=[made("1", "docker")])
    with pytest.raises(DeployError, match=r'set dify.env = {"COMPOSE_PROJECT_NAME": "docker"}'):
        adoption.adopted(settings(env=another, take_over=True))
    assert adoption.adopted(settings(env=another))  # whose .env is not written
    on(ComposeContainers=[made("1", "bot")], ComposeProject="bot")
    assert adoption.adopted(settings(env=another, take_over=True))
    on(Installations=[])  # a second one, to be started
    assert adoption.adopted(settings(env=another, folder="/opt/mine"))


def test_one_that_was_started_from_other_files_is_refused(on: Any) -> None:
    mine = {"docker-compose.yaml": True, "data.yaml": False}
    on(ComposeContainers=[made("1", "docker", files=mine)], CheckedOutTag="1.16.1")
    with pytest.raises(DeployError) as refused:
        adoption.adopted(settings())
    assert "started from docker-compose.yaml, data.yaml, and plain" in str(refused.value)
    assert "there reads docker-compose.yaml; write COMPOSE_FILE=docker-compose.yaml:data.yaml" in str(
        refused.value
    )
    assert adoption.adopted(settings(), replaced=True)  # a restore removes them first


@pytest.mark.parametrize(
    ("service", "files", "wanted"),
    [
        ("api", {"docker-compose.yaml": True, "data.yaml": True}, ""),
        ("grafana", {"monitoring.yaml": False}, ""),
        ("api", {"docker-compose.yaml": True, "gpu.yaml": False}, "hash"),
    ],
    ids=["what compose reads", "what somebody has beside Dify", "what makes no difference any more"],
)
def test_files_that_do_not_matter(on: Any, service: str, files: dict[str, bool], wanted: str) -> None:
    there = [made("1", "docker"), made("2", "docker", service, files)]
    on(ComposeContainers=there, ComposeStack=Stack({"api": wanted}), CheckedOutTag="1.16.1")
    assert adoption.adopted(settings())


def test_what_was_started_otherwise_since_then_stops_the_start(on: Any) -> None:
    on(ComposeContainers=[made("1", "bot")])
    [told] = dify_containers.up._inner(dify=settings().dify)  # type: ignore[attr-defined]
    assert "Start Dify: the Dify in /opt/dify/docker was started as project bot" in told.get_raw_value()


def stack(**containers: str) -> Stack:
    """Containers in these states, each of them from an older definition than the present one."""
    made = {name: Container("old", status, 0, "", "always") for name, status in containers.items()}
    return Stack(dict.fromkeys(("api", "web"), "new"), made, [200, 200])


@pytest.mark.parametrize(
    ("found", "done"),
    [
        (stack(api="running", web="running"), []),
        (stack(api="running", web="exited"), ["up --detach --no-recreate"]),
        (stack(api="running"), ["up --detach --no-recreate"]),
    ],
    ids=["all run", "one has ended", "one is missing"],
)
def test_no_container_that_runs_is_made_anew(on: Any, found: Stack, done: list[str]) -> None:
    on(ComposeStack=found, CheckedOutTag="1.16.1")
    dify = adoption.adopted(settings(folder="/home/gx/dify")).dify
    assert started(dify) == done
    # Ours, in its place, would be.
    assert started(dify.model_copy(update={"take_over": True})) == ["up --detach"]


def started(dify: DifySettings) -> list[str]:
    """How the operation would have compose start containers."""
    machine: Any = dify_containers.host
    machine.sent.clear()
    for command in dify_containers.up._inner(dify=dify):  # type: ignore[attr-defined]
        assert isinstance(command, FunctionCommand)
        command.function(None, machine)
    return [found[0] for line in machine.sent if (found := re.search(r"up --detach( --no-recreate)?", line))]
