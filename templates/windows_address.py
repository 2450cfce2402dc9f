"""Ask Windows again to forward its ports here, when this distribution has come up with another address.

    windows_address.py --request FILE --result FILE --schtasks PROGRAM --task NAME

The deploy has written a request file and started the elevated task once; after a boot the distribution's
address may be another one, and Windows forwards into the void. This repeats that request with the present
address and a new nonce. It holds no secret and decides nothing: the task checks every request anew. A request
that was answered, even by a refusal, is not repeated for the same address.

Runs for ever, on Python's standard library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

INTERFACE = "eth0"  # WSL's, also with mirrored networking
LOOK_SECONDS = 10
# A younger request is the business of whoever waits for its answer.
ANSWER_SECONDS = 120
TRIES, PAUSE_SECONDS = 12, 5


def present_address() -> str | None:
    """The distribution's own IPv4 address."""
    said = subprocess.run(
        ["ip", "-4", "-o", "address", "show", "dev", INTERFACE, "scope", "global"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    _, found, rest = said.partition(" inet ")
    return rest.split("/")[0] if found else None


def is_stale(request: dict[str, Any], result: dict[str, Any], address: str, age: float) -> bool:
    """Whether a request has to be made again.

    Args:
        request, result: the last request and the last answer, as the deploy and the task write them.
        address: the present one.
        age: seconds since the request was written.
    """
    rules = request["port_proxy"]
    if any(rule["connect_address"] != address for rule in rules):
        return True
    answered = result.get("nonce") == request["nonce"]
    return bool(rules) and not answered and age > ANSWER_SECONDS


def renewed(request: dict[str, Any], address: str) -> dict[str, Any]:
    """The same request for another address; good once, like every request."""
    rules = [rule | {"connect_address": address} for rule in request["port_proxy"]]
    return request | {"nonce": secrets.token_hex(16), "port_proxy": rules}


def start(schtasks: str, task: str) -> bool:
    """Start the task; whether Windows took the order.

    A program of Windows is reached by a socket of WSL's. Where the one for services is missing or does not
    answer, that of somebody's session may.
    """
    sockets = sorted(Path("/run/WSL").glob("*_interop"), key=lambda path: path.lstat().st_mtime, reverse=True)
    for environment in ({}, *({"WSL_INTEROP": str(path)} for path in sockets)):
        done = subprocess.run(
            [schtasks, "/run", "/tn", task],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return True
    return False


def look(request_file: Path, result_file: Path, schtasks: str, task: str) -> str | None:
    """Make the request again if that is due; what was done, for the journal."""
    try:
        request = json.loads(request_file.read_bytes())
    except FileNotFoundError:
        return None  # nothing was ever forwarded
    try:
        result = json.loads(result_file.read_bytes())
    except (FileNotFoundError, ValueError):
        result = {}
    address = present_address()
    age = time.time() - request_file.stat().st_mtime
    if address is None or not is_stale(request, result, address, age):
        return None
    fresh = request_file.with_suffix(".new")
    fresh.write_text(json.dumps(renewed(request, address)) + "\n", "utf-8")
    fresh.replace(request_file)
    for _ in range(TRIES):
        if start(schtasks, task):
            return f"asked Windows to forward to {address}"
        time.sleep(PAUSE_SECONDS)
    return f"Windows does not start '{task}'"


def main() -> None:
    """Look now and then, and say what is new."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--schtasks", required=True)
    parser.add_argument("--task", required=True)
    given = parser.parse_args()
    said = None
    while True:
        try:
            news = look(given.request, given.result, given.schtasks, given.task)
        except (OSError, ValueError, KeyError, TypeError) as error:
            news = f"cannot look: {type(error).__name__}: {error}"
        if news and news != said:
            print(news, file=sys.stderr, flush=True)
        said = news
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
