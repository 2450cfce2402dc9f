"""HTTP as a host sees it: requests leave from that host, carried by the connection we already have.

A small program on the host connects where we ask and copies bytes between that connection and its own
stdin and stdout. So Dify's console and a model's loopback port need not be reachable from the control
machine, no port is forwarded, and the bytes (keys among them) never become an argument.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpcore
import httpx
from paramiko import SSHException
from pyinfra.api.host import Host

from provision.connectors.streams import ChannelStream, ProcessChannel
from provision.connectors.wsl import WslConnector

# Python's standard library only; the host and port are its two arguments.
PROGRAM = """
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
s.settimeout(None)
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


def http_client(
    host: Host, base_url: str, *, container: str | None = None, timeout: float = 60
) -> httpx.Client:
    """A client whose requests leave from a host, or from a container on it.

    Args:
        host: a connected host of the inventory (ssh, wsl or local).
        base_url: what request paths are relative to, as the host would write it.
        container: a running container on that host that has ``python3``; ``None`` is the host itself.
        timeout: seconds that a read may take; connecting has its own, shorter bound.
    """
    direct = host.name.startswith("@local") and not container
    backend = httpcore.SyncBackend() if direct else RelayBackend(host, container)
    return httpx.Client(
        base_url=base_url,
        transport=RelayTransport(backend),
        timeout=httpx.Timeout(timeout, connect=20),
        follow_redirects=False,
        trust_env=False,
    )


class RelayTransport(httpx.BaseTransport):
    """httpx over an httpcore network backend of our own."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._pool = httpcore.ConnectionPool(network_backend=backend, keepalive_expiry=30)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        core_request = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=cast("Iterable[bytes]", request.stream),
            extensions=request.extensions,
        )
        with _told_by_httpx(request):
            response = self._pool.handle_request(core_request)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response, request),
            extensions={"http_version": response.extensions.get("http_version", b"HTTP/1.1")},
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """An answer's body, read as it comes."""

    def __init__(self, response: httpcore.Response, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        with _told_by_httpx(self._request):
            yield from cast("Iterable[bytes]", self._response.stream)

    def close(self) -> None:
        self._response.close()


@contextmanager
def _told_by_httpx(request: httpx.Request) -> Iterator[None]:
    """httpcore's errors as httpx's."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error) or "timed out", request=request) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.ConnectError(str(error) or "connection refused", request=request) from error


class RelayBackend(httpcore.NetworkBackend):
    """Opens connections from a host, or from a container on it."""

    def __init__(self, host: Host, container: str | None = None) -> None:
        self._host = host
        self._inside = ["docker", "exec", "--interactive", container] if container else []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Start the relay program on the host; the last two arguments have no meaning there."""
        del local_address, socket_options
        command = [*self._inside, "python3", "-c", PROGRAM, host, str(port)]
        client = getattr(self._host.connector, "client", None)
        try:
            if client is None:  # @local
                return ChannelStream(ProcessChannel(command))
            channel = client.get_transport().open_session(timeout=timeout)
            channel.exec_command(_line(self._host.connector, command))
        except (SSHException, OSError) as error:
            raise httpcore.ConnectError(f"{self._host.name}: {error}") from error
        return ChannelStream(channel)


def _line(connector: object, command: list[str]) -> str:
    """A command as the ssh server at the other end is to be given it."""
    line = shlex.join(command)
    return connector.distribution.line(line) if isinstance(connector, WslConnector) else line
