"""When `docker compose up` has something to do."""

from __future__ import annotations

from provision.domain.compose import differences, nginx_is_stale
from provision.facts.containers import ComposeStack, Container

EARLY, LATE = "2026-11-22T10:00:00.1Z", "2026-11-22T10:00:09.1Z"


def container(
    config_hash: str = "h", status: str = "running", code: int = 0, at: str = EARLY, restart: str = "always"
) -> Container:
    return Container(config_hash, status, code, at, restart)


def test_equal_and_running_is_nothing_to_do() -> None:
    assert differences({"api": "h"}, {"api": container()}) == []


def test_a_finished_one_shot_is_not_down() -> None:
    done = {"init_permissions": container(status="exited", restart="no")}
    assert differences({"init_permissions": "h"}, done) == []
    failed = {"init_permissions": container(status="exited", code=1, restart="no")}
    assert differences({"init_permissions": "h"}, failed) == ["init_permissions is exited"]
    assert differences({"api": "h"}, {"api": container(status="exited")}) == ["api is exited"]


def test_each_reason_is_said() -> None:
    found = differences({"api": "new", "web": "h"}, {"api": container("old")})
    assert found == ["api was made from another definition", "web does not exist"]


def test_where_nothing_is_made_anew_only_what_does_not_run_counts() -> None:
    wanted = {"api": "new", "web": "new", "redis": "h"}
    found = {"api": container("old"), "web": container("old", status="exited")}
    assert differences(wanted, found, recreate=False) == ["redis does not exist", "web is exited"]


def test_nginx_knows_old_addresses_when_it_is_older_than_what_it_forwards_to() -> None:
    older = {"nginx": container(at=EARLY), "api": container(at=LATE)}
    assert nginx_is_stale(older, [502, 200])
    assert nginx_is_stale(older, [200, 0])
    assert not nginx_is_stale(older, [200, 307])  # a reboot: any order, the same addresses
    assert not nginx_is_stale({"nginx": container(at=LATE), "api": container(at=EARLY)}, [502, 502])
    assert not nginx_is_stale({"api": container()}, [0, 0])


def test_the_fact_reads_what_docker_prints() -> None:
    stack = ComposeStack().process(
        ["wanted api abc", f"container api abc running 0 {EARLY} always", "door 200", "door 307"]
    )
    assert stack.wanted == {"api": "abc"}
    assert stack.door == [200, 307]
    assert stack.containers == {"api": Container("abc", "running", 0, EARLY, "always")}
