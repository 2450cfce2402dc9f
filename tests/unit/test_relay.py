"""HTTP through a relay process: here one on this machine, spoken to as over ssh."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from provision.connectors.relay import RelayBackend, RelayTransport, http_client


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


class Channel:
    """The part of paramiko's channel that the relay uses, over a local process."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.closed = self.eof_received = False

    def exec_command(self, command: str) -> None:
        command = command.replace("python3", sys.executable, 1)
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def settimeout(self, timeout: float | None) -> None:
        """The process answers at once."""

    def recv(self, size: int) -> bytes:
        assert self.process
        assert self.process.stdout
        return self.process.stdout.read1(size)  # type: ignore[attr-defined]

    def sendall(self, data: bytes) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def recv_ready(self) -> bool:
        return False

    def makefile_stderr(self, _mode: str) -> Any:
        assert self.process
        return self.process.stderr

    def close(self) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)
        self.closed = True


def over_ssh() -> httpx.Client:
    transport = SimpleNamespace(open_session=lambda **_: Channel())
    connector = SimpleNamespace(client=SimpleNamespace(get_transport=lambda: transport))
    host: Any = SimpleNamespace(name="dify-wsl", connector=connector)
    return httpx.Client(transport=RelayTransport(RelayBackend(host)), timeout=10)


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_requests_and_answers_arrive_whole(port: int) -> None:
    body = bytes(range(256)) * 4000
    with over_ssh() as client:
        for _ in range(2):  # the second one over the same relay
            answer = client.post(
                f"http://127.0.0.1:{port}/", content=body, headers={"Authorization": "Bearer k"}
            )
            assert (answer.status_code, answer.headers["X-Seen"]) == (201, "Bearer k")
            assert answer.content == body


def test_nobody_listening_is_a_connect_error_with_the_reason() -> None:
    with over_ssh() as client, pytest.raises(httpx.ConnectError, match="refused"):
        client.get("http://127.0.0.1:1/")


def test_a_local_host_needs_no_relay(port: int) -> None:
    host: Any = SimpleNamespace(name="@local")
    with http_client(host, f"http://127.0.0.1:{port}") as client:
        assert client.post("/", content=b"x").content == b"x"
