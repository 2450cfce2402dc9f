"""The override that is merged into Dify's compose file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from provision.templates import render


class _Reset(yaml.SafeLoader):
    """Reads compose's `!reset`, which takes a list away."""


_Reset.add_constructor("!reset", lambda loader, node: ("reset", loader.construct_sequence(node)))


def services(*, desktop: bool, port: int | None = None) -> dict[str, Any]:
    text = render("docker-compose.override.yaml.j2", desktop=desktop, plugin_debugging_port=port)
    found: dict[str, Any] = yaml.load(text, _Reset)["services"]  # noqa: S506 - our own file
    return found


@pytest.mark.parametrize("desktop", [False, True])
def test_the_debugging_port_is_published_only_when_asked_for(desktop: bool) -> None:
    assert services(desktop=desktop)["plugin_daemon"]["ports"] == ("reset", [])
    assert "ports" not in services(desktop=desktop, port=5003)["plugin_daemon"]


def test_containers_of_a_linux_engine_learn_the_name_of_their_host() -> None:
    found = services(desktop=False)
    assert set(found) == {"api", "worker", "plugin_daemon"}
    assert all(each["extra_hosts"] == ["host.docker.internal:host-gateway"] for each in found.values())


def test_docker_desktop_keeps_its_own_meaning_of_the_name() -> None:
    assert all("extra_hosts" not in each for each in services(desktop=True).values())
