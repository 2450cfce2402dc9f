"""API keys as a person sees and names them."""

from __future__ import annotations

import pytest

from provision.dify.apps import AppKey
from provision.domain.app_keys import named, short, table

OLD = AppKey("0e9c964d-dcc6", "app-rvjrN8hEaCmi3SsJJ5qIGlLe", 1795335983, 1795422383)
NEW = AppKey("0e9cf194-19f4", "app-iJ8cwlGuT4Ep3GUbB15zhXId", 1795336186, None)


def test_the_table_lets_nobody_in() -> None:
    assert table([OLD, NEW]) == [
        "0e9c964d  app-rv************Le  made 2026-11-22, last used 2026-11-23, handed over",
        "0e9cf194  app-iJ************Id  made 2026-11-22, not used yet",
    ]
    assert OLD.token not in repr(OLD)


def test_a_name_is_the_beginning_of_an_id() -> None:
    assert named([OLD, NEW], short(NEW)) == 1
    assert named([OLD, NEW], NEW.id) == 1
    assert named([OLD, NEW], "ffff") is None
    with pytest.raises(ValueError, match="0e9c begins the ids of 2 keys"):
        named([OLD, NEW], "0e9c")
