"""Windows' firewall: reading the registry, and which rules change."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.domain.firewall import (
    PROFILES,
    REGISTRY_KEY,
    Opening,
    deciding,
    difference,
    ignoring_profiles,
    parse_rules,
)

PRINTED = (Path(__file__).parents[1] / "fixtures/windows/reg-query-firewall.txt").read_bytes()
NAME = "dify-vllm-deploy-tcp-81"
COPY = "{1C2B3A4D-0000-4000-8000-00805F9B34FB}"
WANTED = Opening(81, ("LocalSubnet",), ("Domain", "Private"))
DATA = (
    "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|Profile=Private|LPort=81|"
    f"RA4=LocalSubnet|RA6=LocalSubnet|Name={NAME}|Desc=Made by dify-vllm-deploy (door.ps1).|"
)


def test_only_our_rules_are_read_and_copies_under_our_title_are_ours() -> None:
    assert parse_rules(PRINTED) == {
        NAME: DATA,
        COPY: f"v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=81|Name={NAME}|",
    }
    assert parse_rules(b"") == {}
    for encoding in ("gbk", "utf-16"):
        assert parse_rules(PRINTED.decode("gbk").encode(encoding)) == parse_rules(PRINTED)


def test_the_wanted_rule_is_enough() -> None:
    assert not difference({NAME: DATA}, [WANTED])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Active=TRUE", "Active=FALSE"),
        ("LPort=81", "LPort=82"),
        ("RA4=LocalSubnet", "RA4=10.0.0.0/255.0.0.0"),
        ("RA4=LocalSubnet|RA6=LocalSubnet|", ""),
        ("Action=Allow", "Action=Block"),
        ("Profile=Domain|Profile=Private|", ""),
        ("Profile=Domain|", ""),
        ("Dir=In", "Dir=Out"),
        ("Protocol=6", "Protocol=17"),
        ("LPort=81|", "LPort=81|App=C:\\nginx.exe|"),
        ("LPort=81|", "LPort=81|LPort=82|"),
        ("LPort=81|", "LPort=81|RPort=9|"),
        ("LPort=81|", "LPort=81|Edge=TRUE|"),
        ("LPort=81|", "LPort=81|RA42=IntErnet|"),
        ("LPort=81|", "LPort=81|Security2=AnyAuth|"),
        ("LPort=81|", "LPort=81|RMauth=O:LSD:(A;;CC;;;S-1-5-21-1-2-3-1001)|"),
        ("LPort=81|", "LPort=81|LUOwn=S-1-5-21-1-2-3-1001|"),
        ("LPort=81|", "LPort=81|AppPkgId=S-1-15-2-1|"),
        ("LPort=81|", "LPort=81|Platform=2:10:0|"),
    ],
)
def test_drift_is_found(before: str, after: str) -> None:
    assert before in DATA
    assert difference({NAME: DATA.replace(before, after)}, [WANTED]).missing == (WANTED,)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v2.31", "v2.33"),
        ("Desc=Made", "Desc=Edited"),
        ("|RA6=LocalSubnet", ""),
        ("LPort=81|", "LPort=81|Edge=FALSE|"),
    ],
)
def test_what_does_not_decide_is_no_drift(before: str, after: str) -> None:
    assert before in DATA
    assert not difference({NAME: DATA.replace(before, after)}, [WANTED])


def test_copies_and_other_ports_of_ours_are_stale() -> None:
    current = {NAME: DATA, "{GUID}": DATA, "dify-vllm-deploy-tcp-80": DATA.replace("81", "80")}
    assert difference(current, [WANTED]).stale == ("dify-vllm-deploy-tcp-80", "{GUID}")
    assert difference(current, []).stale == ("dify-vllm-deploy-tcp-80", NAME, "{GUID}")
    assert not difference({}, [])


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("10.8.0.0/16", "10.8.0.0/255.255.0.0"),
        ("10.8.0.0/16", "10.8.0.0/16"),
        ("10.8.0.0/16", "10.8.0.0-10.8.255.255"),
        ("10.8.0.5", "10.8.0.5"),
        ("10.8.0.5", "10.8.0.5/255.255.255.255"),
        ("10.8.0.5", "10.8.0.5-10.8.0.5"),
    ],
)
def test_every_spelling_of_a_network_is_understood(wanted: str, stored: str) -> None:
    data = f"v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=81|RA4={stored}|Name={NAME}|"
    assert deciding(data) == Opening(81, (wanted,), PROFILES).deciding
    assert deciding(data) != Opening(81, ("10.8.0.0/15",), PROFILES).deciding


def test_everybody_on_every_profile() -> None:
    data = f"v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=81|Name={NAME}|"
    assert deciding(data) == Opening(81, ("Any",), PROFILES).deciding


def test_group_policies_that_ignore_local_rules() -> None:
    key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\WindowsFirewall"
    text = (
        f"\r\n{key}\r\n    PolicyVersion    REG_DWORD    0x21f\r\n"
        f"\r\n{key}\\DomainProfile\r\n    AllowLocalPolicyMerge    REG_DWORD    0x0\r\n"
        f"\r\n{key}\\PublicProfile\r\n    AllowLocalPolicyMerge    REG_DWORD    0x1\r\n"
        f"\r\n{key}\\StandardProfile\r\n    AllowLocalPolicyMerge    REG_DWORD    0x0\r\n"
    )
    assert ignoring_profiles(text.encode()) == ["Domain", "Private"]
    assert ignoring_profiles(b"") == []


def test_the_key_is_the_one_in_the_fixture() -> None:
    assert REGISTRY_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE").encode() in PRINTED
