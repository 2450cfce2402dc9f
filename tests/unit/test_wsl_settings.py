"""What has a WSL distribution come back in the morning."""

from __future__ import annotations

from base64 import b64encode

import pytest

from provision.domain.wsl_restart import Noted, Restart, restart
from provision.domain.wsl_settings import mounted
from provision.facts.wsl import BootId, NotedRestart, WindowsProfile


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (r"C:\Users\莫非", "/mnt/c/Users/莫非"),
        (r"D:\Profiles\a b" + "\\", "/mnt/d/Profiles/a b"),
        (r"\\server\profiles\gx", None),
        ("%USERPROFILE%", None),
        ("", None),
    ],
)
def test_a_folder_of_windows_is_found_where_its_drive_is_mounted(path: str, found: str | None) -> None:
    assert mounted(path, "/mnt/c") == found


def test_the_profile_of_a_user_with_a_chinese_name() -> None:
    printed = b64encode("C:\\Users\\莫非\r\n".encode("utf-16-le")).decode()
    assert WindowsProfile().process([printed, "/mnt/c"]) == "/mnt/c/Users/莫非"


@pytest.mark.parametrize("output", [[], ["", "/mnt/c"], [b64encode(b"nonsense").decode(), "/mnt/c"]])
def test_without_windows_there_is_no_profile(output: list[str]) -> None:
    assert WindowsProfile().process(output) is None


def test_a_bare_host_has_nothing_that_is_due() -> None:
    assert NotedRestart().process([]) is NotedRestart.default() is Noted.NEVER
    assert NotedRestart().process(["due"]) is Noted.DUE
    assert BootId().process([]) == BootId.default() == ""


@pytest.mark.parametrize(
    ("systemd", "noted", "allowed", "found"),
    [
        (True, Noted.NEVER, True, Restart.NEEDLESS),
        (True, Noted.DONE, True, Restart.NEEDLESS),
        (True, Noted.DUE, True, Restart.NOW),
        (True, Noted.DUE, False, Restart.WAITS),
        (False, Noted.NEVER, True, Restart.NOW),
        (False, Noted.DUE, True, Restart.NOW),
        (False, Noted.NEVER, False, Restart.MISSED),
        (False, Noted.DUE, False, Restart.MISSED),
        (False, Noted.DONE, True, Restart.IN_VAIN),
        (False, Noted.DONE, False, Restart.IN_VAIN),
    ],
)
def test_a_restart_is_made_once_for_a_cause(
    systemd: bool, noted: Noted, allowed: bool, found: Restart
) -> None:
    assert restart(systemd=systemd, noted=noted, allowed=allowed) is found
