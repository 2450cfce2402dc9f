"""HTTP through a relay process: here one on this machine, spoken to as over ssh."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from provision.connectors.relay import RelayBackend, RelayTransport, http_client
from provision.connectors.streams import ProcessChannel


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Seen", self.headers["Authorization"] or "")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


def over_ssh() -> httpx.Client:
    """As over ssh: the command is one string, which a shell on the other side takes apart."""

    class Channel(ProcessChannel):
        def __init__(self) -> None:
            """Nothing runs before the command is given."""

        def exec_command(self, command: str) -> None:
            super().__init__(["sh", "-c", f"exec {command}"])

    transport = SimpleNamespace(open_session=lambda **_: Channel())
    connector = SimpleNamespace(client=SimpleNamespace(get_transport=lambda: transport))
    host: Any = SimpleNamespace(name="dify-wsl", connector=connector)
    return httpx.Client(transport=RelayTransport(RelayBackend(host)), timeout=10)


def on_this_machine() -> httpx.Client:
    host: Any = SimpleNamespace(name="@local", connector=SimpleNamespace())
    return httpx.Client(transport=RelayTransport(RelayBackend(host)), timeout=2)


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.mark.parametrize("carried", [over_ssh, on_this_machine])
def test_requests_and_answers_arrive_whole(port: int, carried: Callable[[], httpx.Client]) -> None:
    body = bytes(range(256)) * 4000
    with carried() as client:
        for _ in range(2):  # the second one over the same relay
            answer = client.post(
                f"http://127.0.0.1:{port}/", content=body, headers={"Authorization": "Bearer k"}
            )
            assert (answer.status_code, answer.headers["X-Seen"]) == (201, "Bearer k")
            assert answer.content == body


def test_a_silent_server_is_a_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        on_this_machine() as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get(f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_nobody_listening_is_a_connect_error_with_the_reason() -> None:
    with over_ssh() as client, pytest.raises(httpx.ConnectError, match="refused"):
        client.get("http://127.0.0.1:1/")


def test_a_local_host_needs_no_relay(port: int) -> None:
    host: Any = SimpleNamespace(name="@local")
    with http_client(host, f"http://127.0.0.1:{port}") as client:
        assert client.post("/", content=b"x").content == b"x"
