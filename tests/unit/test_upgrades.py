"""What an upgrade crosses is refused until it is acknowledged by name."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.settings import DifySettings
from provision.domain.upgrades import (
    BEYOND,
    CROSSINGS,
    EDITS,
    EXTERNAL,
    NAMES,
    crossed,
    edits,
    external_data,
    migration,
    pin_differs,
    problems,
    vector_store,
)
from provision.domain.wiring.versions import Version


def names(before: str, after: str, store: str = "weaviate") -> list[str]:
    return [crossing.name for crossing in crossed(Version.parse(before), Version.parse(after), store)]


def refusals(before: str, after: str, *acknowledged: str, store: str = "weaviate") -> list[str]:
    return list(problems(Version.parse(before), Version.parse(after), store, acknowledged))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("1.15.0", "1.16.1", []),
        ("1.16.1", "1.16.1", []),
        ("1.16.1", "1.17.0", []),
        ("1.16.1", "1.17.1", ["weaviate-1.39"]),
        ("1.9.1", "1.9.2", ["weaviate-1.27", "console-cookies"]),
        ("1.9.2", "1.10.0", []),
        ("1.10.0", "1.10.1", ["database-service"]),
        ("1.14.0", "1.14.1", ["env-split"]),
        ("1.14.2", "1.15.0", ["ssrf-private"]),
        ("1.14.2", "1.17.0", ["ssrf-private"]),
        ("1.13.3", "1.14.0", ["model-types"]),
        ("1.13.3", "1.15.0", ["env-split", "ssrf-private"]),
        ("1.14.2", "1.17.1", ["ssrf-private", "weaviate-1.39"]),
        ("1.3.1", "1.16.1", ["weaviate-1.27", "console-cookies", "database-service", "env-split",
                             "ssrf-private"]),
        ("1.17.1", "1.18.0", [BEYOND]),
    ],
)  # fmt: skip
def test_what_lies_between(before: str, after: str, expected: list[str]) -> None:
    assert names(before, after) == expected
    assert len(refusals(before, after)) == len(expected)
    assert refusals(before, after, *expected) == []


@pytest.mark.parametrize(
    ("after", "rewrites"),
    [("1.13.3", False), ("1.14.2", False), ("1.15.0", True), ("1.17.0", True), ("1.17.1", False)],
)
def test_models_are_found_again_where_a_release_has_the_command_for_it(after: str, rewrites: bool) -> None:
    assert (migration(Version.parse(after)) is not None) == rewrites


def test_weaviate_concerns_who_uses_it() -> None:
    assert names("1.16.1", "1.17.1", store="qdrant") == []
    assert refusals("1.9.1", "1.17.1", "console-cookies", "database-service", "env-split", "ssrf-private",
                    store="pgvector") == []  # fmt: skip


def test_both_weaviates_at_once_are_refused_whatever_is_acknowledged() -> None:
    [refusal] = refusals("1.3.1", "1.17.1", *NAMES)
    assert "weaviate-1.27 and weaviate-1.39 cannot be crossed at once; upgrade to 1.16.1 first" in refusal


def test_a_refusal_says_name_reason_and_remedy() -> None:
    [refusal] = refusals("1.16.1", "1.17.1")
    assert refusal.startswith("weaviate-1.39 (1.17.1): the bundled Weaviate goes from 1.27 to 1.39")
    assert ". First: without knowledge bases acknowledge it;" in refusal


def test_no_way_back() -> None:
    [refusal] = refusals("1.16.1", "1.15.0")
    assert "restore a backup of the older release" in refusal


def test_releases_that_are_refused() -> None:
    assert refusals("1.11.4", "1.12.0") == [
        "1.12.0 is refused: its images are mistagged (langgenius/dify#31892); take 1.12.1"
    ]
    assert "1.2.0 is older than 1.3.1" in refusals("1.2.0", "1.3.1")[0]


def test_a_name_that_acknowledges_nothing() -> None:
    assert refusals("1.16.1", "1.17.1", "weaviate-1.93", "weaviate-1.39") == [
        "weaviate-1.93 is no crossing; did you mean weaviate-1.39?"
    ]


def test_every_name_is_one_crossing_and_says_what_and_why() -> None:
    assert len({crossing.name for crossing in CROSSINGS}) == len(CROSSINGS)
    assert all(before.since <= after.since for before, after in pairwise(CROSSINGS))
    assert all(crossing.reason and crossing.advice for crossing in CROSSINGS)


@pytest.mark.parametrize(
    ("running", "advice"),
    [
        ("1.15.0", "To upgrade it: deploys/upgrade.py --data dify_version=1.16.1 (it backs up first"),
        ("1.17.0", "never changed in passing. Set dify.version to 1.17.0"),
        ("?", "The clone is on no tag"),
    ],
)
def test_another_release_than_the_pinned_one_is_told(running: str, advice: str) -> None:
    said = pin_differs(running, "1.16.1", "/opt/dify")
    assert said.startswith(f"/opt/dify is at {running}, dify.version is 1.16.1; a running release is")
    assert advice in said


@pytest.mark.parametrize(
    ("running", "upgrade"),
    [("1.10.1-fix.1", True), ("1.16.1-fix.1", False), ("1.17.0-rc1", False), ("1.17.0.1", False)],
)
def test_a_tag_that_settings_refuse_is_never_advised(running: str, upgrade: bool) -> None:
    with pytest.raises(ValueError, match="version"):
        DifySettings(version=running)
    said = pin_differs(running, "1.16.1", "/opt/dify")
    assert f"{running} is a special build, which dify.version cannot name: it stays as it is" in said
    assert ("dify_version=1.16.1" in said) is upgrade
    assert "et dify.version to" not in said


@pytest.mark.parametrize(
    ("env", "store"),
    [
        ("", "weaviate"),
        ("VECTOR_STORE=\nVECTOR_INDEX_NAME_PREFIX=Vector\n", "weaviate"),
        ("VECTOR_STORE='qdrant\n", "weaviate"),
        ("VECTOR_STORE=weaviate\n", "weaviate"),
        ("# VECTOR_STORE=milvus\nVECTOR_STORE='qdrant'\r\n", "qdrant"),
        ("VECTOR_STORE=weaviate\nOTHER=1\nVECTOR_STORE=pgvector\n", "pgvector"),
    ],
)
def test_the_vector_store_of_an_installation(env: str, store: str) -> None:
    assert vector_store(env) == store


def test_edits_of_the_owners_are_not_given_up_unasked() -> None:
    assert list(edits(["docker/.env.example"], [])) == []
    [refusal] = edits(["docker/.env.example", "docker/nginx/proxy.conf.template"], [])
    assert refusal.startswith(
        "local-edits: the new release's files take the place of docker/nginx/proxy.conf"
    )
    assert list(edits(["docker/nginx/proxy.conf.template"], [EDITS])) == []


def test_data_that_no_backup_holds_is_not_risked_unasked() -> None:
    assert list(external_data([], [])) == []
    [refusal] = external_data(["the database on pg.corp", "/data"], [EDITS])
    assert refusal.startswith("external-data: the backup does not hold the database on pg.corp, /data; the")
    assert list(external_data(["the database on pg.corp"], [EXTERNAL])) == []
    assert refusals("1.15.0", "1.16.1", EXTERNAL) == []


VERSIONS = st.builds(Version, st.just(1), st.integers(3, 17), st.integers(0, 4))


@given(VERSIONS, VERSIONS, VERSIONS)
def test_no_crossing_is_lost_or_met_twice_on_a_way_in_two_steps(a: Version, b: Version, c: Version) -> None:
    """But for those that a later release makes by itself."""
    low, middle, high = sorted((a, b, c))
    direct = {crossing.name for crossing in crossed(low, high, "weaviate") if not crossing.until}
    steps = [
        crossing.name
        for pair in ((low, middle), (middle, high))
        for crossing in crossed(*pair, "weaviate")
        if not crossing.until and crossing.name != BEYOND
    ]
    assert sorted(steps) == sorted(direct - {BEYOND})
