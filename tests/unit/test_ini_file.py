"""Single keys of WSL's own files, set without touching anything else."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.ini_file import decode, encode, first_nonsense, means, values, with_values

WANTED = {("wsl2", "vmIdleTimeout"): "-1", ("general", "instanceIdleTimeout"): "-1"}

OWNERS = """# mine
[wsl2]\t# the VM
memory = 8GB   # half
kernelCommandLine = "a # b" \\
    c
[experimental]
autoMemoryReclaim=gradual
"""

# Lines that the parser treats differently, in any order; and any text at all.
_LINES = st.sampled_from(
    [
        *("", "# comment", "[wsl2]", "  [WSL2] # again", "[general]", "[boot", "[network]", "memory=8GB"),
        *("vmIdleTimeout=60000", "VMIDLETIMEOUT = 5 # ms", 'vmidletimeout="7"', "instanceIdleTimeout=-1"),
        *('x = "open', "joined = a \\", "path=C:\\\\x", "bad=\\q", "= 3", "中文=是", "\udcff\udcfe"),
    ]
)
_TEXTS = st.one_of(
    st.builds(
        lambda mark, lines, newline, end: mark + newline.join(lines) + end,
        st.sampled_from(["", "\ufeff"]),
        st.lists(_LINES, max_size=9),
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from(["", "\n", "\r\n"]),
    ),
    st.text(max_size=60),
    # An escape that escapes nothing makes the last line nonsense until something follows it.
).filter(lambda text: not text.endswith("\\"))


@given(_TEXTS)
def test_what_is_set_is_what_wsl_reads(text: str) -> None:
    found = values(with_values(text, WANTED), strict=False)
    assert all(found[section.lower(), key.lower()] == value for (section, key), value in WANTED.items())


@given(_TEXTS)
def test_setting_twice_changes_nothing_more(text: str) -> None:
    once = with_values(text, WANTED)
    assert with_values(once, WANTED) == once


@given(_TEXTS)
def test_all_other_values_stay(text: str) -> None:
    ours = {(section.lower(), key.lower()) for section, key in WANTED}
    before, after = values(text, strict=False), values(with_values(text, WANTED), strict=False)
    assert {key: after[key] for key in after.keys() - ours} == {
        key: before[key] for key in before.keys() - ours
    }


@given(_TEXTS)
def test_every_other_byte_stays(text: str) -> None:
    """Without the keys, what was there is still there, in its order."""
    rest = iter(with_values(text, WANTED))
    for character in _without_our_values(text):
        assert any(found == character for found in rest)


def _without_our_values(text: str) -> str:
    """A text that misses at most the values that are set; those lines' other characters stay."""
    for line in ("vmIdleTimeout=60000", "VMIDLETIMEOUT = 5", 'vmidletimeout="7"'):
        text = text.replace(line, line[: line.index("=") + 1])
    return text


@given(st.binary(max_size=60), st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE]))
def test_bytes_survive_the_way_through_text(data: bytes, mark: bytes) -> None:
    assert encode(decode(mark + data), like=mark + data) == mark + data


def test_a_file_of_an_owner_keeps_all_of_it() -> None:
    assert with_values(OWNERS, WANTED) == (
        OWNERS.replace("[wsl2]\t# the VM\n", "[wsl2]\t# the VM\nvmIdleTimeout=-1\n")
        + "\n[general]\ninstanceIdleTimeout=-1\n"
    )
    assert values(OWNERS, strict=True) == {
        ("wsl2", "memory"): "8GB",
        ("wsl2", "kernelcommandline"): "a # b     c",
        ("experimental", "automemoryreclaim"): "gradual",
    }


def test_of_duplicates_the_first_counts_and_the_others_are_left() -> None:
    text = "[wsl2]\r\nvmIdleTimeout = 60000\t# a minute\r\nVMIdleTimeout=-1\r\n"
    changed = with_values(text, {("wsl2", "vmIdleTimeout"): "-1"})
    assert changed == text.replace("= 60000\t", "= -1\t")


def test_a_new_file_has_nothing_but_the_keys() -> None:
    assert with_values("", {("boot", "systemd"): "true"}) == "[boot]\nsystemd=true\n"


def test_a_file_of_an_old_editor_stays_utf_16() -> None:
    data = codecs.BOM_UTF16_LE + "[wsl2]\r\n# 中文\r\n".encode("utf-16-le")
    changed = encode(with_values(decode(data), {("wsl2", "vmIdleTimeout"): "-1"}), like=data)
    assert changed == codecs.BOM_UTF16_LE + "[wsl2]\r\nvmIdleTimeout=-1\r\n# 中文\r\n".encode("utf-16-le")


@pytest.mark.parametrize(
    ("text", "line"), [("\ufeff[boot]\n", 1), ("[boot]\n; not a comment\nsystemd=true\n", 2), (OWNERS, None)]
)
def test_what_ends_the_reading_of_wsl_conf_is_named(text: str, line: int | None) -> None:
    assert first_nonsense(text) == line
    assert (("boot", "systemd") in values(text, strict=True)) is False


@pytest.mark.parametrize("found", ["true", "True", "1"])
def test_a_boolean_has_several_spellings(found: str) -> None:
    assert means(found, "true")
    assert not means(found, "false")
    text = f"[boot]\nsystemd = {found}\n"
    assert with_values(text, {("boot", "systemd"): "true"}) == text
