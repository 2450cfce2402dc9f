"""How a program of Windows takes its command line apart: it gets one text, never a list."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

BLANKS = " \t"

# One process hands another its command line in this variable, quotes and blanks as they were.
_RAW = "LAB_WINDOWS_COMMAND_LINE"


def handed(environment: Mapping[str, str], text: str) -> dict[str, str]:
    """The environment of a child that is started with a command line (without the program's name)."""
    return {**environment, _RAW: text}


def own(arguments: list[str]) -> str:
    """This process's command line; one that was started from Linux gets it from interop, quoted."""
    return os.environ.pop(_RAW, None) or subprocess.list2cmdline(arguments)


def split(text: str) -> list[str]:
    """Take a command line apart as ``CommandLineToArgvW`` does (Microsoft's documentation of that function).

    2n backslashes before a quote are n and the quote opens or closes; 2n+1 are n and a quote itself; two
    quotes inside of quotes are one; elsewhere backslashes are nothing special.
    """
    arguments: list[str] = []
    current: str | None = None
    quoted, at = False, 0
    while at < len(text):
        slashes = len(text[at:]) - len(text[at:].lstrip("\\"))
        at += slashes
        character = text[at : at + 1]
        if slashes:
            current = (current or "") + "\\" * (slashes // 2 if character == '"' else slashes)
        if character == '"' and slashes % 2:
            current = f'{current or ""}"'
        elif character == '"' and quoted and text[at + 1 : at + 2] == '"':
            current = f'{current or ""}"'
            at += 1
        elif character == '"':
            quoted, current = not quoted, current or ""
        elif character and (quoted or character not in BLANKS):
            current = (current or "") + character
        elif current is not None:
            arguments.append(current)
            current = None
        at += 1
    return arguments if current is None else [*arguments, current]
