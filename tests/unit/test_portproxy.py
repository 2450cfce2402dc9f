"""Windows' port proxy: reading the registry, and which rules change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.portproxy import ForeignRuleError, Rule, decode_console, difference, parse_registry

PRINTED = Path(__file__).parents[1] / "fixtures/windows/reg-query-rules.txt"
KEY = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\PortProxy\v4tov4\tcp"
OURS = Rule("0.0.0.0", 81, "172.19.173.46", 81)


def test_reads_what_reg_printed() -> None:
    assert parse_registry(PRINTED.read_bytes()) == [
        Rule("*", 8080, "localhost", 80),
        OURS,
        Rule("192.168.1.117", 22, "172.19.173.46", 2222),
    ]


@pytest.mark.parametrize(
    "printed",
    [
        b"",
        b"\r\n",
        "\r\n错误: 系统找不到指定的注册表项或值。\r\n".encode("gbk"),
        f"\r\n{KEY}\r\n    (Default)    REG_SZ    (value not set)\r\n\r\n".encode(),
        f"\r\n{KEY}\r\n    0.0.0.0/81    REG_DWORD    0x51\r\n".encode(),
        rb"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\iphlpsvc"
        + b"\r\n    Start    REG_DWORD    0x2",
        f"{KEY[:-6]}6\\tcp\r\n    0.0.0.0/81    REG_SZ    ::1/81\r\n".encode(),
    ],
    ids=["nothing", "empty", "message", "default value", "other type", "other key", "v4tov6"],
)
def test_no_rules_where_there_are_none(printed: bytes) -> None:
    assert parse_registry(printed) == []


def test_reads_rules_in_any_code_page() -> None:
    text = f"\r\n{KEY}\r\n    (默认)    REG_SZ    中文\r\n    0.0.0.0/81    REG_SZ    172.19.173.46/81\r\n"
    for encoding in ("utf-8", "gbk", "utf-16"):
        assert parse_registry(text.encode(encoding)) == [OURS]


@given(st.binary())
def test_decoding_never_fails(data: bytes) -> None:
    assert isinstance(decode_console(data), str)


def test_a_new_address_of_the_distribution_replaces_our_rule() -> None:
    moved = Rule("0.0.0.0", 81, "172.20.0.9", 81)
    change = difference([OURS], [moved], owned={OURS.key})
    assert (change.stale, change.missing) == ((), (moved,))


def test_a_new_port_removes_our_old_rule() -> None:
    moved = Rule("0.0.0.0", 82, "172.19.173.46", 81)
    change = difference([OURS], [moved], owned={OURS.key})
    assert (change.stale, change.missing) == ((OURS,), (moved,))


def test_the_owners_own_identical_rule_is_enough() -> None:
    assert not difference([OURS], [OURS], owned=())


@pytest.mark.parametrize(
    ("foreign", "removal"),
    [
        (Rule("0.0.0.0", 81, "172.19.1.1", 80), "delete v4tov4 listenport=81 listenaddress=0.0.0.0"),
        (Rule("*", 81, "172.19.173.46", 81), "delete v4tov4 listenport=81"),
        (Rule("192.168.1.117", 81, "nas", 81), "delete v4tov4 listenport=81 listenaddress=192.168.1.117"),
    ],
)
def test_a_foreign_rule_on_our_port_is_named(foreign: Rule, removal: str) -> None:
    with pytest.raises(ForeignRuleError) as caught:
        difference([OURS, foreign] if foreign.key != OURS.key else [foreign], [OURS], owned=())
    assert str(foreign) in str(caught.value)
    assert str(caught.value).endswith(removal)


RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["*", "0.0.0.0", "192.168.1.117"]),
        st.integers(80, 84),
        st.sampled_from(["172.19.1.1", "172.19.1.2"]),
        st.integers(80, 84),
    ),
    unique_by=lambda rule: rule.key,
)


@given(
    current=RULES, wanted=RULES, owned=st.sets(st.sampled_from([f"0.0.0.0/{port}" for port in range(80, 85)]))
)
def test_the_difference_leads_to_the_wanted_rules_and_nowhere_else(
    current: list[Rule], wanted: list[Rule], owned: set[str]
) -> None:
    foreign = {rule for rule in current if rule.key not in owned}
    ports = {rule.listen_port for rule in wanted}
    if any(rule.listen_port in ports for rule in foreign - set(wanted)):
        with pytest.raises(ForeignRuleError):
            difference(current, wanted, owned)
        return
    change = difference(current, wanted, owned)
    after = {rule.key: rule for rule in current}
    for rule in change.stale:
        del after[rule.key]
    after |= {rule.key: rule for rule in change.missing}
    assert set(wanted) <= set(after.values())
    assert foreign <= set(after.values())
    assert set(after.values()) <= set(wanted) | foreign
    assert not difference(after.values(), wanted, owned)
