"""A command's way through cmd.exe and wsl.exe, and what comes back."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.wsl import LONGEST_LINE, Distribution, lines, setting_problems, trouble

DEBIAN = Distribution("Debian")
AWKWARD = (
    "echo 'it''s' \"$HOME\" %PATH% '^&' a*b `id` \\\\ 你好; printf '%s|' 'two  blanks' $((1+1))\n echo next"
)


def shell(words: list[str], given: str = "") -> str:
    return subprocess.run(words, input=given, capture_output=True, text=True, check=True).stdout


def run(command: str, given: str = "") -> str:
    """What sh gets to run, as wsl.exe starts it."""
    line, first = DEBIAN.invocation(command)
    script, _, rest = line.partition(' --exec sh -c "')[2].partition('"')
    return shell(["sh", "-c", script, *rest.split()], first + given)


def test_the_line_has_nothing_that_cmd_would_touch() -> None:
    line = DEBIAN.line(AWKWARD)
    assert line.startswith('wsl.exe -d Debian -u root --exec sh -c "')
    assert line.count('"') == 2
    assert line.isascii()
    assert not set(line) & set("%'^&<>\\!\n")


def test_a_path_with_blanks_is_quoted_and_without_a_name_it_is_the_default_distribution() -> None:
    line = Distribution(exe=r"C:\Program Files\WSL\wsl.exe").line("id")
    assert line.startswith('"C:\\Program Files\\WSL\\wsl.exe" -u root --exec sh')


@pytest.mark.parametrize("padding", [0, 100_000])
def test_the_shell_runs_what_was_meant(padding: int) -> None:
    comment = f"{AWKWARD} # {'x' * padding}"
    line, first = DEBIAN.invocation(comment)
    assert (len(line) <= LONGEST_LINE, bool(first)) == (True, padding > 0)
    assert run(comment) == shell(["sh", "-c", f"cd; {comment}"])


@pytest.mark.parametrize("padding", [0, 10_000])
def test_input_goes_to_the_command(padding: int) -> None:
    assert run(f"cat; : {'x' * padding}", "one\ntwo 二\n") == "one\ntwo 二\n"


def test_a_child_shell_splits_words_and_globs_as_ever() -> None:
    assert run("v='a b'; set -- $v; echo $#; cd /; echo etc*/") == "2\netc/\n"


def test_a_line_that_must_not_use_the_input_may_not_be_long() -> None:
    with pytest.raises(ValueError, match="too long for cmd"):
        DEBIAN.line("x" * 8000)


def cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


WINDOWS = "wsl: 检测到 localhost 代理配置，以上。\r\n"  # 上 holds the byte of a newline in UTF-16


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_encodings_may_change_from_line_to_line(size: int) -> None:
    raw = (
        WINDOWS.encode("utf-16-le")
        + "Linux 你好\n".encode()
        + "不存在具有所提供名称的分发。\r\n错误代码: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n".encode(
            "utf-16-le"
        )
        + "命令行太长。\n".encode("gbk")
        + b"no newline"
    )
    assert list(lines(cut(raw, size))) == [
        "wsl: 检测到 localhost 代理配置，以上。",
        "Linux 你好",
        "不存在具有所提供名称的分发。",
        "错误代码: Wsl/Service/WSL_E_DISTRO_NOT_FOUND",
        "命令行太长。",
        "no newline",
    ]


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), st.integers(1, 9))
def test_what_linux_prints_arrives_as_it_is(text: str, size: int) -> None:
    """NUL bytes too: `find -print0` has them."""
    raw = f"{text}\nlast\n".encode()
    if b"\r\0\n\0" not in raw:
        assert list(lines(cut(raw, size))) == [text, "last"]


def test_empty_lines_and_silence() -> None:
    assert list(lines([b"a\n\nb\r\n"])) == ["a", "", "b\r"]
    assert list(lines([])) == []


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("不存在。\n错误代码: Wsl/Service/WSL_E_DISTRO_NOT_FOUND", "no WSL distribution of that name"),
        ("There is no distribution with the supplied name.", "no WSL distribution of that name"),
        ("系统无法访问此文件。", "the Microsoft Store's WSL does not start"),
        ("'wsl.exe' 不是内部或外部命令，也不是可运行的程序", "has no WSL, or no wsl.exe"),
        ("Access is denied.", "does not let this account"),
    ],
)
def test_messages_are_understood(said: str, cause: str) -> None:
    found = trouble(said)
    assert found is not None
    assert cause in found.cause


def test_an_unknown_message_stays_unknown() -> None:
    assert trouble("Catastrophic failure") is None


@pytest.mark.parametrize(
    ("host", "values", "problem"),
    [
        ("@wsl/win", {"wsl_distribution": "My Debian"}, "wsl_distribution = 'My Debian': must be a name"),
        ("@wsl/win", {"wsl_distribution": "-u"}, "must be a name"),
        ("@wsl/win", {"wsl_exe": 'wsl.exe" & calc & "'}, "must be a path"),
        ("@wsl/win", {"wsl_user": "root; id"}, "must be the name of a Linux user"),
        ("@wsl/win", {"wsl_distro": "Debian"}, "wsl_distro is not a setting; known are wsl_distribution"),
        ("win", {"wsl_distribution": "Debian"}, "name the host @wsl/<address of Windows>"),
    ],
)
def test_keys_that_cannot_be_right_are_named(host: str, values: dict[str, object], problem: str) -> None:
    (found,) = setting_problems(host, values)
    assert found.startswith(f"{host}: ")
    assert problem in found


def test_right_keys_are_right() -> None:
    values = {
        "wsl_distribution": "Ubuntu-22.04",
        "wsl_user": "root",
        "wsl_exe": r"C:\Program Files\WSL\wsl.exe",
        "ssh_port": 22,
    }
    assert setting_problems("@wsl/192.168.1.117", values) == []
