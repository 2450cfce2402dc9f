"""Stand-in of ``cmd.exe /c LINE``, for the lines that the deploy has Windows' sshd run.

Sources: quotes around the line, ``%NAME%``, ``^``, ``&``, ``&&`` and ``||`` from the help of ``cmd`` and
Microsoft's documentation of it; that an unknown ``%NAME%`` stays as it is outside batch files, and that
single quotes are nothing special, from the same; 8191 characters from Microsoft's article on the limit of
the command prompt's line; the texts from captured outputs. Inferred: exit code 1 for what cannot be
started. ``/u`` makes the output of its own commands UTF-16LE (the same documentation). A working directory
that is on no drive of Windows draws a complaint (reports of users who start it from a folder of Linux);
that it goes to standard error is inferred. Pipes, redirections and brackets are not modelled: such a line
is refused aloud, since the deploy sends none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from standins import command_line, state
from standins.console import Console

LONGEST = 8191
VARIABLES = {"COMSPEC": r"C:\Windows\System32\cmd.exe", "OS": "Windows_NT", "SYSTEMROOT": r"C:\Windows"}
PATHS = (state.DRIVE / "Windows/System32",)


def main(arguments: list[str]) -> int:
    """Run ``cmd.exe`` with these arguments; returns the exit code."""
    machine = state.read()
    console = Console(machine["locale"])
    match arguments:
        case ["/c" | "/C", line]:
            return Prompt(console, machine["profile"]).run(line)
        case ["/d", "/u", "/c", "echo", words]:
            if not Path.cwd().is_relative_to(state.DRIVE):
                console.complain(console.text("no folder of Windows"))
            said = words.replace("%USERPROFILE%", machine["profile"])
            sys.stdout.buffer.write(f"{said}\r\n".encode("utf-16-le"))
            state.log_call("cmd.exe", arguments, code=0, write=False)
            return 0
    print("cmd.exe: only /c LINE and /d /u /c echo WORDS are modelled", file=sys.stderr)
    return 64


class Prompt:
    """One command prompt, with its variables."""

    def __init__(self, console: Console, profile: str) -> None:
        self._console = console
        self._variables = VARIABLES | {"USERPROFILE": profile}
        self._set: dict[str, str] = {}

    def run(self, line: str) -> int:
        """Run a line; returns the last exit code."""
        if len(line) > LONGEST:
            self._console.complain(self._console.text("line too long"))
            return 1
        code, join = 0, "&"
        for command, following in _commands(self._expanded(_unquoted(line))):
            if command.strip() and not (join == "&&" and code) and not (join == "||" and not code):
                code = self._one(command.strip())
            join = following
        return code

    def _expanded(self, line: str) -> str:
        return re.sub("%([^%]+)%", lambda found: self._variables.get(found[1].upper(), found[0]), line)

    def _one(self, command: str) -> int:
        quoted = re.match(r'"([^"]*)"', command)
        name = quoted[1] if quoted else re.split(r"[ \t]", command, maxsplit=1)[0]
        rest = command[quoted.end() if quoted else len(name) :].lstrip(" \t")
        if name.lower() == "echo":
            self._console.say(rest)
            return 0
        if name.lower() == "set":
            variable, _, value = rest.partition("=")
            self._variables[variable.upper()] = self._set[variable] = value
            return 0
        program = _find(name)
        if program is None:
            missing = "no such path" if "\\" in name else "no such program"
            self._console.complain(*self._console.text(missing, name).splitlines())
            return 1
        environment = command_line.handed({**os.environ, **self._set}, rest)
        return subprocess.call([program, *command_line.split(rest)], env=environment)


def _unquoted(line: str) -> str:
    """Take the quotes off, as the help of ``cmd`` says: two of them around a program's name stay."""
    if not line.startswith('"'):
        return line
    inner = line[1:-1]
    names_program = line.count('"') == 2 and " " in inner and not set(inner) & set("&<>()@^|")
    if names_program and line.endswith('"') and _find(inner):
        return line
    before, _, after = line[1:].rpartition('"')
    return before + after


def _commands(line: str) -> list[tuple[str, str]]:
    """The commands of a line, each with what joins it to the next one."""
    found: list[tuple[str, str]] = []
    current, quoted = "", False
    for part in re.findall(r"\^.|&&|\|\||.", line, re.DOTALL):
        if quoted or part not in ("&", "&&", "||", "|", "<", ">", "(", ")"):
            for character in part if quoted or not part.startswith("^") else part[1:]:
                quoted ^= character == '"' and part == character
                current += character
        elif part in ("&", "&&", "||"):
            found.append((current, part))
            current = ""
        else:
            raise SystemExit(f"cmd.exe: {part} is not modelled here: {line}")
    return [*found, (current, "")]


def _find(name: str) -> Path | None:
    """A program by its name or its path on drive C:, without regard to case as on Windows."""
    wanted = name if name.lower().endswith(".exe") else f"{name}.exe"
    if wanted.lower().startswith("c:\\"):
        return _below(state.DRIVE, wanted[3:].split("\\"))
    return next((program for folder in PATHS if (program := _below(folder, [wanted]))), None)


def _below(folder: Path, parts: list[str]) -> Path | None:
    for part in parts:
        matching = [entry for entry in folder.iterdir() if entry.name.lower() == part.lower()]
        if not matching:
            return None
        folder = matching[0]
    return folder if folder.is_file() else None
