"""Connections that a relay program carries, as httpcore wants them."""

from __future__ import annotations

import os
import select
import ssl
import subprocess
from collections.abc import Sequence
from typing import IO, Any, Protocol, cast

import httpcore


class Carrier(Protocol):
    """What is used of paramiko's channel: a remote program's stdin, stdout and stderr."""

    closed: bool
    eof_received: bool

    def settimeout(self, timeout: float | None, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> Any: ...
    def recv_ready(self) -> bool: ...
    def makefile_stderr(self, mode: str, /) -> Any: ...
    def close(self) -> None: ...


class ProcessChannel:
    """A program on this machine in place of one at the other end of ssh.

    Args:
        command: program and arguments.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.closed = self.eof_received = False
        self._timeout: float | None = None
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)

    def settimeout(self, timeout: float | None, /) -> None:
        self._timeout = timeout

    def recv(self, size: int, /) -> bytes:
        out = cast("IO[bytes]", self._process.stdout)
        if not select.select([out], [], [], self._timeout)[0]:
            raise TimeoutError("no answer in time")
        data = os.read(out.fileno(), size)
        self.eof_received = not data
        return data

    def sendall(self, data: bytes, /) -> None:
        pipe = cast("IO[bytes]", self._process.stdin)
        view = memoryview(data)
        while view:
            view = view[pipe.write(view) :]

    def recv_ready(self) -> bool:
        out = cast("IO[bytes]", self._process.stdout)
        return bool(select.select([out], [], [], 0)[0])

    def makefile_stderr(self, _mode: str, /) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stderr)

    def close(self) -> None:
        self.closed = True
        with self._process as process:  # closes its pipes and waits for it
            process.terminate()


class ChannelStream(httpcore.NetworkStream):
    """One relayed connection."""

    def __init__(self, channel: Carrier) -> None:
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
