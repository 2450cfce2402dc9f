"""What belongs to a backup, and which backups stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.backup import (
    Manifest,
    Mount,
    Packed,
    Part,
    contents,
    expired,
    is_name,
    name_of,
    read_manifest,
    unpackable,
)
from provision.domain.unfinished import Unfinished, parse

DIFY = "/opt/dify"
OURS = [
    Part("installation", DIFY),
    Part("secrets", "/etc/dify-vllm-deploy/secrets"),
    Part("api-key", "/etc/dify-vllm-deploy/api-key"),
    Part("api-keys", "/etc/dify-vllm-deploy/api-keys"),
    Part("handover", "/etc/dify-vllm-deploy/handover.md"),
]
VOLUMES = "/var/lib/docker/volumes"
ANONYMOUS = "0123456789abcdef" * 4


def bind(source: str, *, writable: bool = True) -> Mount:
    return Mount("bind", source, writable)


def volume(name: str) -> Mount:
    return Mount("volume", f"{VOLUMES}/{name}/_data", True, name)


@pytest.mark.parametrize(
    ("mounts", "more"),
    [
        ([], []),
        ([bind(f"{DIFY}/docker/volumes/db/data"), bind(f"{DIFY}/docker/volumes/weaviate")], []),
        ([volume("docker_oradata"), volume(ANONYMOUS)], [("volume-docker_oradata", "docker_oradata")]),
        ([bind("/data/weaviate"), bind("/data/weaviate")], [("mount-1", "")]),
        ([bind("/data"), bind("/data/db")], [("mount-1", "")]),
        ([bind("/"), bind("/etc/localtime"), bind("/run/docker.sock"), bind("/srv", writable=False)], []),
        ([bind("/opt/dify-data")], [("mount-1", "")]),
        ([bind("/etc/ssl"), bind("/etc"), bind(OURS[1].source), bind("/mnt/wsl/resolv.conf")], []),
    ],
    ids=["nothing runs", "its own folder", "volumes", "elsewhere", "one in the other", "the machine's",
         "a name that begins alike", "below /etc"],
)  # fmt: skip
def test_what_belongs_to_a_backup(mounts: list[Mount], more: list[tuple[str, str]]) -> None:
    found = contents(DIFY, mounts).parts
    assert found[: len(OURS)] == OURS
    assert [(part.name, part.volume) for part in found[len(OURS) :]] == more


def test_what_is_not_packed_is_told_with_the_reason() -> None:
    mounts = [
        bind("/etc/localtime"), bind("/srv/models", writable=False), bind("/opt"), bind("/data"),
        bind("/data/seen", writable=False), bind(f"{DIFY}/docker/nginx", writable=False),
        bind("/both", writable=False), bind("/both"),
    ]  # fmt: skip
    found = contents(DIFY, mounts, ["the database on pg.corp"])
    assert [part.source for part in found.parts[len(OURS) :]] == ["/both", "/data"]
    assert found.untouched == [
        "/etc/localtime (the machine's own)",
        "/opt (the installation lies in it)",
        "/srv/models (mounted read-only)",
    ]
    assert found.missing == ["the database on pg.corp", *found.untouched]


def test_what_the_owner_leaves_out() -> None:
    mounts = [bind("/data"), bind("/data/db"), bind("/kept"), volume("docker_es"), volume("docker_ora")]
    found = contents(DIFY, mounts, leave_out=["/data", "docker_es"])
    assert [(part.source, part.volume) for part in found.parts[len(OURS) :]] == [
        (f"{VOLUMES}/docker_ora/_data", "docker_ora"),
        ("/kept", ""),
    ]
    assert found.unheld == [f"{each} (in dify.backup.leave_out)" for each in ("/data", "docker_es")]


@pytest.mark.parametrize("name", ["/data/db", "/srv", f"{DIFY}/docker/volumes", "es", OURS[1].source])
def test_what_is_not_packed_by_itself_need_not_be_left_out(name: str) -> None:
    found = contents(DIFY, [bind("/data"), bind("/data/db"), volume("docker_es")], leave_out=[name])
    assert found.needless == [name]
    assert found.unheld == []


def test_a_name_tells_time_and_release() -> None:
    moment = datetime(2026, 11, 23, 4, 15, tzinfo=timezone(timedelta(hours=1)))
    assert name_of(moment, "1.16.1") == "20261123T031500Z-1.16.1"
    assert name_of(moment, "?") == "20261123T031500Z-untagged"
    assert is_name("20261123T031500Z-1.16.1")
    for other in ("..", ".new", "20261123T031500Z-1.16.1/../x", "20261123T031500Z-"):
        assert not is_name(other)


MANIFEST = Manifest(
    "20261123T031500Z-1.16.1",
    "1.16.1",
    12,
    [Packed("installation", DIFY, "", "aa", 10, 30), Packed("volume-x", "/v/_data", "x", "bb", 5, 6)],
    missing=("the database on pg.corp",),
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert read_manifest(MANIFEST.text()) == MANIFEST
    older = MANIFEST.text().replace('"downtime"', '"images": {"api": "dify-api sha256:ab"}, "downtime"')
    assert read_manifest(older) == MANIFEST
    oldest = MANIFEST.text().replace('"missing"', '"images"')
    assert read_manifest(oldest) == replace(MANIFEST, missing=())
    assert MANIFEST.size == 15
    assert [(part.file, part.member) for part in MANIFEST.parts] == [
        ("installation.tar.gz", "dify"),
        ("volume-x.tar.gz", "_data"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        MANIFEST.text().replace('"format": 1', '"format": 2'),
        MANIFEST.text().replace('"volume-x"', '"../../etc/passwd"'),
        MANIFEST.text().replace(MANIFEST.name, "../x"),
        MANIFEST.text().replace('"sha256"', '"md5"'),
    ],
)
def test_no_manifest(text: str) -> None:
    with pytest.raises(ValueError, match="manifest"):
        read_manifest(text)


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
NAMES = st.lists(st.builds(name_of, MOMENTS, st.sampled_from(["1.3.1", "1.16.1", "?"])), unique=True)


@given(NAMES, st.integers(1, 9))
def test_the_newest_stay(names: list[str], keep: int) -> None:
    gone = expired(names, keep)
    assert len(set(names) - set(gone)) == min(keep, len(names))
    assert all(old < new for old in gone for new in sorted(names)[-keep:])


def test_what_cannot_be_packed_is_told() -> None:
    ours, other, volume = Part("secrets", "/none"), Part("mount-1", "/large/db"), Part("volume-x", "", "x")
    assert list(unpackable([ours, other], {"/large/db": 0})) == []
    [missing] = unpackable([other], {})
    assert missing.startswith("/large/db, which Dify has mounted, is not there; mount its disk")
    [slow] = unpackable([other], {"/large/db": None})
    assert slow == "what /large/db holds could not be counted within 15 minutes"
    [elsewhere] = unpackable([volume], {})
    assert elsewhere.startswith("the volume x is in no folder of this host")


def test_a_note_is_read_as_it_was_written() -> None:
    note = Unfinished("upgrade", "starting", "1.15.0", "1.16.1", "20261123T031500Z-1.15.0")
    assert parse(note.text()) == note
    assert parse("\n") is None
    assert str(note) == "an upgrade to 1.16.1 is not finished (starting)"
    assert "deploys/upgrade.py again with --data dify_version=1.16.1" in note.what_to_do()
    assert "the note of it is /var/lib/dify-vllm-deploy/unfinished.json" in note.what_to_do()
    with pytest.raises(ValueError, match=r"unfinished\.json cannot be read"):
        parse('{"doing": "upgrade"')
    with pytest.raises(ValueError, match=r"unfinished\.json cannot be read"):
        parse('{"doing": "upgrade", "since": 3}')
