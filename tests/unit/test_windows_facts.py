"""Facts about Windows: what comes out of what the host printed."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from provision.domain.portproxy import Rule
from provision.domain.windows_door import Result
from provision.facts import windows

PRINTED = (Path(__file__).parents[1] / "fixtures/windows/reg-query-rules.txt").read_bytes()


def _lines(data: bytes) -> list[str]:
    return [b64encode(data).decode()]


def test_rules() -> None:
    rules = windows.PortProxyRules().process(_lines(PRINTED + b"exit code 0"))
    assert rules is not None
    assert Rule("0.0.0.0", 81, "172.19.173.46", 81) in rules


@pytest.mark.parametrize("code", [b"1", b"126", b"127"])
def test_rules_that_cannot_be_read_are_not_none_at_all(code: bytes) -> None:
    assert windows.PortProxyRules().process(_lines(b"exit code " + code)) is None


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (
            "2: eth0    inet 172.19.173.46/20 brd 172.19.175.255 scope global eth0\\  valid_lft",
            "172.19.173.46",
        ),
        ("2: eth0    inet6 fe80::1/64 scope link", None),
    ],
)
def test_address_of_the_distribution(line: str, address: str | None) -> None:
    assert windows.WslAddress().process([line]) == address


def test_result_of_the_door() -> None:
    result = Result(nonce="0" * 32, ok=True, message="", applied=["0.0.0.0/81 -> 172.19.1.1/81"], removed=[])
    assert windows.DoorResult().process(_lines(result.model_dump_json().encode())) == result


def test_nothing_is_there_on_a_bare_host() -> None:
    assert windows.IsWsl().process(["no"]) is False
    assert windows.DoorRegistered().process(["no"]) is False
    assert windows.DoorSettings.default() is None
    assert windows.OwnedRules.default() == frozenset()
