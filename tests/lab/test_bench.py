"""What the benchmark reads off: the stream of an answer, and pyinfra's own words for a command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pyinfra.connectors import ssh

from lab.bench import QUESTION, SENT, USER, BenchError, answer


class Bot(BaseHTTPRequestHandler):
    """The service API's stream: an empty piece, the answer in two, and its end."""

    events: tuple[str, ...] = ("message", "message", "message", "message_end")
    answers = ("", "I am ", "here.", "")
    asked: list[tuple[str, str]]

    def do_POST(self) -> None:
        self._answer()
        for event, text in zip(self.events, self.answers, strict=False):
            told = {"event": event, "answer": text, "conversation_id": "c-1"}
            self.wfile.write(f"data: {json.dumps(told)}\n\n".encode())

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.headers["Authorization"], body["user"]) == ("Bearer app-key", USER)
        self.asked.append((f"{self.command} {self.path}", body.get("query", "")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Bot, "asked", [], raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bot) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_the_first_words_come_before_the_end_and_nothing_stays(api: str) -> None:
    first, whole = answer(api, "app-key")
    assert 0 < first <= whole
    assert Bot.asked == [("POST /v1/chat-messages", QUESTION), ("DELETE /v1/conversations/c-1", "")]


@pytest.mark.parametrize("events", [(), ("message", "message"), ("message", "message", "error")])
def test_a_stream_without_an_end_is_no_answer(
    api: str, events: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bot, "events", events)
    with pytest.raises(BenchError, match="no whole answer"):
        answer(api, "app-key")


def test_commands_are_counted_as_this_pyinfra_tells_them() -> None:
    [told] = re.findall(r'"(Running command on .*)",', Path(ssh.__file__).read_text())
    assert SENT.findall(f"[pyinfra.connectors.ssh] {told % ('gpu-chat', False, 'sh -c id')}") == ["gpu-chat"]
