"""Answers that come in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from scripted import REFUSED, Answer, Script, refused

from provision.dify import Dify, DifyError


def stream(*events: str, pauses: list[float] | None = None) -> httpx.Response:
    """A stream of events; after each the clock has gone on by the next of the pauses."""

    def body() -> Iterator[bytes]:
        for event in events:
            if pauses is not None:
                CLOCK[0] += pauses.pop(0)
            yield f"{event}\n\n".encode()

    return httpx.Response(200, headers={"X-Version": "1.16.1"}, content=body())


CLOCK = [0.0]
PIECES = (
    'data: {"event":"message","answer":"Hel"}',
    "event: ping",
    'data: {"event":"message","answer":"lo"}',
)
END = (
    'data: {"event":"message_end","conversation_id":"c1","metadata":{"usage":{"prompt_tokens":3},'
    '"retriever_resources":[{"document_name":"a.md"}]}}'
)


def test_a_stream_is_read_to_its_end() -> None:
    script = Script(stream(*PIECES, END))
    answer = script.dify().service.ask_streaming("app-canary", "hi", "me")
    assert (answer.text, answer.conversation_id, answer.prompt_tokens) == ("Hello", "c1", 3)
    assert answer.sources == ("a.md",)
    [request] = script.requests
    assert b'"response_mode":"streaming"' in request.content


def test_a_stream_is_parted_at_line_feeds_and_nowhere_else() -> None:
    text = "a\u2028b\u0085c\u2029d"
    events = stream(f'data: {{"event":"message","answer":"{text}"}}\r', "", END).read()
    pieces = httpx.Response(
        200, headers={"X-Version": "1.16.1"}, content=(events[at : at + 7] for at in range(0, len(events), 7))
    )
    script = Script(pieces)
    assert script.dify().service.ask_streaming("app-canary", "hi", "me").text == text


@pytest.mark.parametrize("gone", [httpx.Response(204), REFUSED])
def test_a_stream_that_fails_leaves_no_conversation(gone: Answer) -> None:
    begun = 'data: {"event":"message","answer":"Hel","conversation_id":"c7"}'
    failed = 'data: {"event":"error","code":"completion_request_error","message":"no"}'
    script = Script(stream(begun, failed), gone)
    with pytest.raises(DifyError, match="ended with completion_request_error: no"):
        script.dify().service.ask_streaming("app-canary", "hi", "me")
    deleted = script.requests[-1]
    assert (deleted.method, deleted.url.path) == ("DELETE", "/v1/conversations/c7")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (stream(*PIECES), "the stream broke off after 5 characters"),
        (stream(PIECES[0], 'data: {"ev'), "sent an event that is no JSON object"),
        (
            stream('data: {"event":"error","code":"completion_request_error","message":"key app-canary"}'),
            r"ended with completion_request_error: key \*\*\* → the model's endpoint",
        ),
        (refused(401), "401 unauthorized: no → the API key was revoked"),
        (REFUSED, "got no answer"),
    ],
)
def test_a_stream_that_is_no_answer(answer: Answer, told: str) -> None:
    with pytest.raises(DifyError, match=told):
        Script(answer).dify().service.ask_streaming("app-canary", "hi", "me")


def test_a_stream_of_nothing_but_pings_is_given_up() -> None:
    """With its worker down Dify keeps some streams alive for ever."""
    CLOCK[0] = 0.0
    http = httpx.Client(
        base_url="http://dify",
        transport=httpx.MockTransport(Script(stream(*["event: ping"] * 9, pauses=[10] * 9))),
    )
    dify = Dify(http, clock=lambda: CLOCK[0])
    with pytest.raises(DifyError, match="no end after 60 s"):
        dify.service.ask_streaming("app-canary", "hi", "me", timeout=60)
    assert CLOCK[0] == 70
