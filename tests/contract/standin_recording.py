"""The recorded exchanges with real Difys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Step:
    """A line of the recording."""

    number: int
    name: str
    method: str
    url: httpx.URL
    headers: dict[str, str]
    json: Any
    files: dict[str, str]
    response: dict[str, Any]


def recorded(version: str = "1.16.1") -> list[Step]:
    """Every exchange of a version's recording; lines that are notes are left out."""
    recording = RECORDINGS / f"dify-{version}.jsonl"
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    return [_step(number, line) for number, line in enumerate(lines) if "request" in line]


def _step(number: int, line: dict[str, Any]) -> Step:
    request = line["request"]
    return Step(
        number=number,
        name=line["step"],
        method=request["method"],
        url=httpx.URL(request["url"]),
        headers=request.get("headers") or {},
        json=request.get("json"),
        files=request.get("files") or {},
        response=line["response"],
    )
