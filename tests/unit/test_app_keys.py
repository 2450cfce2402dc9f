"""API keys as a person sees and names them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pyinfra.api.exceptions import DeployError

from provision import inventory
from provision.dify.apps import AppKey
from provision.domain.app_keys import named, short, table

OLD = AppKey("0e9c964d-dcc6", "app-rvjrN8hEaCmi3SsJJ5qIGlLe", 1795335983, 1795422383)
NEW = AppKey("0e9cf194-19f4", "app-iJ8cwlGuT4Ep3GUbB15zhXId", 1795336186, None)


def test_the_table_lets_nobody_in() -> None:
    assert table([OLD, NEW]) == [
        "0e9c964d-  app-rv************Le  made 2026-11-22, last used 2026-11-23, handed over",
        "0e9cf194-  app-iJ************Id  made 2026-11-22, not used yet",
    ]
    assert OLD.token not in repr(OLD)


def test_a_name_is_the_beginning_of_an_id() -> None:
    assert named([OLD, NEW], short(NEW)) == 1
    assert named([OLD, NEW], NEW.id) == 1
    assert named([OLD, NEW], "ffff") is None
    with pytest.raises(ValueError, match="0e9c begins the ids of 2 keys"):
        named([OLD, NEW], "0e9c")


def parsed(argument: str) -> str | int | float:
    """What pyinfra's command line takes an argument for.

    In a process of its own: it patches gevent into all of one, and subprocesses then take thrice their time.
    """
    script = (
        "import sys; from pyinfra_cli.util import parse_cli_arg as parse; value = parse(sys.argv[1]); "
        "print(type(value).__name__, value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, argument], capture_output=True, text=True, check=True
    )
    kind, _, value = done.stdout.strip().partition(" ")
    return {"str": str, "int": int, "float": float}[kind](value)


@pytest.mark.parametrize("group", ["12345678", "01234567", "1e234567", "0e9c964d"])
def test_the_name_of_a_key_stays_text_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    key = replace(OLD, id=f"{group}-dcc6-4c1e-8d7a-3f0c5a1b2d4e")
    data = {"revoke": parsed(short(key))}
    monkeypatch.setattr(inventory, "pyinfra_inventory", SimpleNamespace(get_override_data=lambda: data))
    assert named([key, NEW], inventory.given("revoke", r"[0-9a-f-]{4,36}") or "") == 0


def test_a_name_that_became_a_number_is_refused_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"revoke": parsed("1e234567")}
    monkeypatch.setattr(inventory, "pyinfra_inventory", SimpleNamespace(get_override_data=lambda: data))
    with pytest.raises(DeployError, match=re.escape("revoke=inf (pyinfra takes it for float, not text)")):
        inventory.given("revoke", r"[0-9a-f-]{4,36}")
