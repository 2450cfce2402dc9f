"""``python -m lab.bench``: how long things take in the lab, and how often hosts and Dify are asked for them.

Judges nothing: the figures are one machine's, on one day. What must not grow is counted by the tests.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from lab import daemon
from lab.docker import DockerError
from lab.paths import ROOT
from lab.seen import HANDOVER, handed_over, requests_at_the_door, writes_at_the_door

On = Callable[..., str]
Row = tuple[str, str, str]

DEPLOY = ("inventories/lab.py", "deploy.py")
PYINFRA = str(Path(sys.executable).with_name("pyinfra"))
# How pyinfra tells of each command that it sends over ssh, with --debug. Files, and the requests that a relay
# carries, are none.
SENT = re.compile(r"Running command on (\S+): \(pty=")
QUESTION, USER, QUESTIONS = "中国的首都是哪里？", "bench", 5
ANSWER_TIMEOUT = 180  # seconds


class BenchError(RuntimeError):
    """What was to be measured did not work."""


def main() -> int:
    """Measure all there is and print it as a table; 1 when something did not work."""
    rows: list[Row] = []
    try:
        rows += _lab()
        docker = daemon.ensure()

        def on(name: str, *argv: str) -> str:
            return docker.exec(f"dvd-lab-{name}", *argv).stdout

        rows += _first_deploy(on)
        rows += _runs(on)
        rows += _answers(handed_over(on))
    except (BenchError, DockerError, httpx.HTTPError) as error:
        print(f"bench failed: {error}", file=sys.stderr)
        return 1
    finally:
        print("\n".join(f"{what:<26}{value:>9}  {note}".rstrip() for what, value, note in rows))
    return 0


def _lab() -> Iterator[Row]:
    lab = (sys.executable, "-m", "lab")
    if timed(*lab, "status", allowed=(0, 3))[1].returncode == 0:
        yield "lab up", "-", "was up before"
    else:
        yield "lab up", _said(timed(*lab, "up")[0]), ""


def _first_deploy(on: On) -> Iterator[Row]:
    if on("dify-wsl", "find", "/etc", "-path", HANDOVER):
        yield "first deploy", "-", "was done before"
    else:
        yield "first deploy", _said(timed(PYINFRA, "-y", *DEPLOY)[0]), ""


def _runs(on: On) -> Iterator[Row]:
    """What a deploy costs that has nothing to do."""
    asked, written = len(requests_at_the_door(on)), len(writes_at_the_door(on))
    seconds, done = timed(PYINFRA, "-y", "--json", *DEPLOY)
    asked, written = len(requests_at_the_door(on)) - asked, len(writes_at_the_door(on)) - written
    yield "second run", _said(seconds), f"{json.loads(done.stdout)['results']['totals']['success']} changes"
    yield "  requests to Dify", str(asked), f"{written} of them writes"
    yield "dry run", _said(timed(PYINFRA, "--dry", *DEPLOY)[0]), ""
    sent = Counter(SENT.findall(timed(PYINFRA, "--dry", "--debug", *DEPLOY)[1].stderr))
    yield "  commands over ssh", str(sent.total()), ", ".join(f"{host} {sent[host]}" for host in sorted(sent))
    seconds, done = timed("scripts/drift", DEPLOY[0], allowed=(0, 2))
    yield "drift", _said(seconds), done.stdout.strip().replace("\n", "; ")


def _answers(handover: dict[str, str]) -> Iterator[Row]:
    times = [answer(handover["API base"], handover["API key"]) for _ in range(QUESTIONS)]
    for what, found in zip(("answer: first words", "answer: whole"), zip(*times, strict=True), strict=True):
        note = f"median of {QUESTIONS}, {_said(min(found))} to {_said(max(found))}"
        yield what, _said(statistics.median(found)), note


def _said(seconds: float) -> str:
    return f"{seconds:.2f} s"


def timed(*command: str, allowed: tuple[int, ...] = (0,)) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a program of the project: the seconds that it took, and what it printed.

    Raises:
        BenchError: an exit status that is not allowed.
    """
    print(f"… {' '.join(command)}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode not in allowed:
        raise BenchError(
            f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}"
        )
    return time.monotonic() - begun, done


def answer(api: str, key: str) -> tuple[float, float]:
    """Ask the bot by its service API: seconds to the first words, and to the end of the answer.

    Raises:
        BenchError: the stream ended before the answer did.
    """
    body = {"inputs": {}, "query": QUESTION, "user": USER, "response_mode": "streaming"}
    first, event, begun = None, {}, time.monotonic()
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        with client.stream("POST", f"{api}/chat-messages", json=body, timeout=ANSWER_TIMEOUT) as stream:
            stream.raise_for_status()
            for line in stream.iter_lines():
                event = json.loads(line[6:]) if line.startswith("data: ") else event
                if first is None and event.get("answer"):
                    first = time.monotonic() - begun
        whole = time.monotonic() - begun
        if first is None or event.get("event") != "message_end":
            raise BenchError(f"no whole answer from {api}: the stream ended with {event}")
        conversation = f"{api}/conversations/{event['conversation_id']}"
        client.request("DELETE", conversation, json={"user": USER}).raise_for_status()
    return first, whole


if __name__ == "__main__":
    sys.exit(main())
