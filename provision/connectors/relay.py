"""HTTP as a host sees it: requests leave from that host, carried by the connection we already have.

A small program on the host connects where we ask and copies bytes between that connection and its own
stdin and stdout. So Dify's console and a model's loopback port need not be reachable from the control
machine, no port is forwarded, and the bytes (keys among them) never become an argument.
"""

from __future__ import annotations

import shlex
import ssl
from collections.abc import Iterable
from typing import Any, cast

import httpcore
import httpx
from paramiko import Channel, SSHException
from pyinfra.api.host import Host

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


def http_client(host: Host, base_url: str, *, timeout: float = 60) -> httpx.Client:
    """A client whose requests leave from a host.

    Args:
        host: a connected host of the inventory (ssh or local).
        base_url: what request paths are relative to, as the host would write it.
        timeout: seconds that a read may take; connecting has its own, shorter bound.
    """
    backend = httpcore.SyncBackend() if _is_local(host) else RelayBackend(host)
    return httpx.Client(
        base_url=base_url,
        transport=RelayTransport(backend),
        timeout=httpx.Timeout(timeout, connect=20),
        follow_redirects=False,
        trust_env=False,
    )


def _is_local(host: Host) -> bool:
    return host.name.startswith("@local")


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
        try:
            response = self._pool.handle_request(core_request)
            content = b"".join(cast("Iterable[bytes]", response.stream))
        except httpcore.TimeoutException as error:
            raise httpx.ReadTimeout(str(error) or "timed out", request=request) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx.ConnectError(str(error) or "connection refused", request=request) from error
        finally:
            if "response" in locals():
                response.close()
        return httpx.Response(
            response.status,
            headers=response.headers,
            content=content,
            extensions={"http_version": response.extensions.get("http_version", b"HTTP/1.1")},
        )

    def close(self) -> None:
        self._pool.close()


class RelayBackend(httpcore.NetworkBackend):
    """Opens connections from an ssh host."""

    def __init__(self, host: Host) -> None:
        self._host = host

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
        transport = cast("Any", self._host.connector).client.get_transport()
        try:
            channel = transport.open_session(timeout=timeout)
            channel.exec_command(shlex.join(["python3", "-c", PROGRAM, host, str(port)]))
        except (SSHException, OSError) as error:
            raise httpcore.ConnectError(f"{self._host.name}: {error}") from error
        return ChannelStream(channel)


class ChannelStream(httpcore.NetworkStream):
    """One relayed connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._received = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._channel.settimeout(timeout)
        try:
            data = self._channel.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no answer in time") from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        if not data and not self._received:
            # The relay ended before a single byte: its last line of stderr says why.
            raise httpcore.ConnectError(self._last_words())
        self._received = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._channel.settimeout(timeout)
        try:
            self._channel.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout("could not send in time") from error
        except OSError as error:
            raise httpcore.WriteError(self._last_words()) from error

    def close(self) -> None:
        self._channel.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del timeout
        return TlsStream(self, ssl_context, server_hostname)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # httpcore asks whether an idle connection was closed by the server
            return self._channel.recv_ready() or self._channel.closed or self._channel.eof_received
        return None

    def _last_words(self) -> str:
        lines = self._channel.makefile_stderr("r").read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "connection closed"


class TlsStream(httpcore.NetworkStream):
    """TLS inside a relayed connection: the handshake is ours, so the host never sees the plain bytes."""

    def __init__(self, below: ChannelStream, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._run(self._tls.do_handshake, timeout=20)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return cast("bytes", self._run(lambda: self._tls.read(max_bytes), timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._run(lambda: self._tls.write(buffer), timeout)

    def close(self) -> None:
        self._below.close()

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

    def _run(self, step: Any, timeout: float | None) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(timeout)
                data = self._below.read(65536, timeout)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise httpcore.ConnectError(str(error)) from error
            else:
                self._flush(timeout)
                return result

    def _flush(self, timeout: float | None) -> None:
        if data := self._outgoing.read():
            self._below.write(data, timeout)
