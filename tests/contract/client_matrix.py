"""What nine real versions of Dify answered to the same steps: status and error code, no bodies."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

MATRIX = Path(__file__).parent / "recordings" / "matrix.txt"
_LOGIN = re.compile(r"(?P<version>[\d.]+) login .*body keys: \[(?P<keys>.*)\] cookies: \[(?P<cookies>.*)\]")


def _lines() -> list[str]:
    return MATRIX.read_text(encoding="utf-8").splitlines()


def versions() -> list[str]:
    """The versions, oldest first."""
    return _lines()[0].split()[1:]


def table() -> dict[str, dict[str, tuple[int, str]]]:
    """Step to version to status and code (or another mark of the answer, cut at some length)."""
    head, *rest = _lines()
    columns = {version: head.index(f" {version} ") + 1 for version in versions()}
    ends = [*list(columns.values())[1:], None]
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for line in rest:
        if re.match(r"\d", line):  # the notes below the table
            continue
        step = line[: min(columns.values())].strip()
        cells = {v: line[start:end].split() for (v, start), end in zip(columns.items(), ends, strict=True)}
        found[step] = {
            version: (int(cell[0]), " ".join(cell[1:])) for version, cell in cells.items() if cell[0] != "-"
        }
    return found


def login_bodies() -> dict[str, tuple[set[str], set[str]]]:
    """Version to the keys of a good login's body and the names of its cookies."""
    return {
        match["version"]: (set(re.findall(r"\w+", match["keys"])), set(re.findall(r"\w+", match["cookies"])))
        for line in _lines()
        if (match := _LOGIN.match(line))
    }


class Version:
    """Answers as this version of the matrix gave them."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._steps = {step: cells[version] for step, cells in table().items() if version in cells}

    def answer(self, status: int, body: object) -> httpx.Response:
        """Any answer of this version."""
        return httpx.Response(status, headers={"X-Version": self.version}, json=body)

    def recorded(self, step: str) -> httpx.Response:
        """An error as the matrix has it."""
        status, code = self._steps[step]
        return self.answer(status, {"errors": {}, "message": "no"} if code == "errors" else {"code": code})

    def good_login(self) -> httpx.Response:
        """Body and cookies as this version has them."""
        keys, cookies = login_bodies()[self.version]
        body: dict[str, object] = {"result": "success"}
        if "data" in keys:
            body["data"] = {"access_token": "acc", "refresh_token": "ref"}
        headers = [
            ("X-Version", self.version),
            *(("set-cookie", f"{name}={name[:3]}; Path=/") for name in cookies),
        ]
        return httpx.Response(200, headers=headers, json=body)
