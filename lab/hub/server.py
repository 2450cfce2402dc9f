"""A model hub for the lab: serves folders as model repositories, on ModelScope's routes.

    python3 server.py --host 0.0.0.0 --port 80 Qwen/Qwen3-0.6B=/models/Qwen/Qwen3-0.6B ...

A folder is the model's branch ``master`` and the one commit in it; ``OWNER/NAME@TAG=FOLDER`` adds a tag.

This folder runs alone on Debian's python3: standard library only, nothing of the rest of the project. Point a
client at it with ``MODELSCOPE_ENDPOINT=http://HOST:PORT`` (modelscope >= 1.38; older ones know only
``MODELSCOPE_DOMAIN``, and https).

Routes and answers are those that modelscope 1.40.2 and 1.26.0 were seen to ask for and to accept. That a file
outside large-file storage is sent whole whatever Range says is from a comment in modelscope-hub 0.5.1
(``_download.py``: "files served without a redirect ignore Range entirely"). ``LatestCommitter`` with an empty
``Id`` is as published listings of modelscope.cn have it.

Beside them, for tests:

* ``POST /lab/faults`` with a JSON list replaces all faults, ``[]`` clears them. A fault is
  ``{"model": "Owner/Name", "file": PATH, "kind": KIND, "times": N}``; without ``file`` the listing is struck,
  without ``times`` always. Kinds: ``cut`` (half of the bytes, then the connection closes), ``corrupt`` (right
  length, first byte wrong), ``pause`` (half of the bytes, 8 seconds of silence, the rest), ``stall`` (half of
  the bytes, then silence), ``404``, ``500``.
* ``GET /lab/requests``: ``{"requests": [{"method", "path", "status", "range", "bytes"}, ...],
  "files": {"Owner/Name": {PATH: {"requests": N, "bytes": N}}}}``; bytes are those of file bodies.
  ``DELETE /lab/requests`` starts again from nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from faults import Faults
from journal import Journal
from repository import COMMIT, COMMITTED_AT, LARGE_FILES, MASTER, Repository

_BLOCK = 1 << 20
_STALL_SECONDS = 3600
_PAUSE_SECONDS = 8


class Hub(ThreadingHTTPServer):
    """The server and what its requests share."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], repositories: dict[str, dict[str, Repository]]) -> None:
        super().__init__(address, _Request)
        self.repositories = repositories
        self.faults = Faults()
        self.journal = Journal()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the journal is the log."""

    def do_GET(self) -> None:
        """Answer one of the hub's routes, or report what was asked."""
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if url.path == "/lab/requests":
            return self._send(200, self.server.journal.report(), noted=False)
        if url.path == "/api/v1/repos/internalAccelerationInfo":
            return self._data({"InternalRegionQueryAddress": ""})
        match = re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)(/.*)?", url.path)
        revisions = self.server.repositories.get(match[1]) if match else None
        if match is None or revisions is None:
            return self._missing(match[1] if match else url.path)
        revision = query.get("Revision", MASTER)
        repository = revisions.get(revision)
        if repository is None:
            return self._missing(f"revision {revision} of {match[1]}")
        return self._model(match[1], repository, match[2] or "", query)

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Take new faults; the hub itself has nothing to post to here."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/lab/faults":
            return self._missing(self.path)
        try:
            self.server.faults.replace(json.loads(body))
        except ValueError as error:
            return self._send(400, json.dumps({"error": str(error)}), noted=False)
        return self._send(200, "{}", noted=False)

    def do_DELETE(self) -> None:
        """Clear the journal."""
        if self.path != "/lab/requests":
            return self._missing(self.path)
        self.server.journal.clear()
        return self._send(200, "{}", noted=False)

    def _model(self, model: str, repository: Repository, route: str, query: dict[str, str]) -> None:
        if route == "/repo":
            return self._file(model, repository, query.get("FilePath", ""))
        if route == "/repo/files":
            if (fault := self.server.faults.strike(model, None)) is not None:
                return self._broken(fault)
            recursive = query.get("Recursive", "").lower() == "true"
            files = repository.listing(query.get("Root", "").strip("/"), recursive)
            latest = {"Id": "", "ShortId": repository.commit[:8], "CommittedDate": COMMITTED_AT}
            return self._data({"Files": files, "IsVisual": 0, "LatestCommitter": latest})
        if route == "/revisions":
            branches = [{"Revision": MASTER, "CreatedAt": COMMITTED_AT}]
            return self._data({"RevisionMap": {"Branches": branches, "Tags": []}})
        if route == "":
            owner, name = model.split("/")
            return self._data({"Id": 1, "Path": owner, "Name": name, "Revision": "master", "Visibility": 5})
        return self._missing(route)

    def _file(self, model: str, repository: Repository, name: str) -> None:
        path = repository.find(name)
        if path is None:
            return self._missing(f"file {name} of {model}")
        fault = self.server.faults.strike(model, name)
        if fault in ("404", "500"):
            return self._broken(fault)
        size, wanted = path.stat().st_size, None
        if path.suffix in LARGE_FILES:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        start = int(wanted[1]) if wanted else 0
        end = min(int(wanted[2]) + 1, size) if wanted and wanted[2] else size
        if wanted and start >= end:
            return self._send(416, "", [("Content-Range", f"bytes */{size}")])

        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        sent = 0
        try:
            if self.command != "HEAD":
                with path.open("rb") as file:
                    file.seek(start)
                    for block in _blocks(file, end - start, fault):
                        if sent and fault == "pause":
                            time.sleep(_PAUSE_SECONDS)
                        self.wfile.write(block)
                        sent += len(block)
        except ConnectionError:
            self.close_connection = True
        finally:
            self._note(206 if wanted else 200, sent, model, name)
        if fault == "stall":
            time.sleep(_STALL_SECONDS)
        if fault in ("cut", "stall"):
            self.close_connection = True
        return None

    def _broken(self, fault: str) -> None:
        """Answer with a fault where no bytes of a file are at stake."""
        if fault == "404":
            return self._missing("it")
        if fault == "stall":
            time.sleep(_STALL_SECONDS)
        if fault != "500":
            self.close_connection = True
            return None
        return self._send(500, json.dumps({"Code": 500, "Message": "internal error", "Success": False}))

    def _data(self, data: dict[str, Any]) -> None:
        envelope = {"Code": 200, "Data": data, "Message": "success", "RequestId": "lab", "Success": True}
        self._send(200, json.dumps(envelope))

    def _missing(self, what: str) -> None:
        envelope = {"Code": 10010205001, "Message": f"{what} does not exist", "RequestId": "lab"}
        self._send(404, json.dumps(envelope | {"Success": False}))

    def _send(
        self, status: int, body: str, headers: list[tuple[str, str]] | None = None, *, noted: bool = True
    ) -> None:
        if noted:
            self._note(status, 0)
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers or []:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _note(self, status: int, sent: int, model: str | None = None, file: str | None = None) -> None:
        wanted = self.headers.get("Range")
        request = {
            "method": self.command,
            "path": self.path,
            "status": status,
            "range": wanted,
            "bytes": sent,
        }
        self.server.journal.note(request, model, file)


def _blocks(file: BinaryIO, length: int, fault: str | None) -> Iterator[bytes]:
    """The next ``length`` bytes of a file in blocks, altered or ended early as the fault wants it."""
    left = length // 2 if fault in ("cut", "stall") else length
    spoilt = fault == "corrupt"
    size = -(-length // 2) if fault == "pause" else _BLOCK
    while left and (block := file.read(min(left, size))):
        left -= len(block)
        yield bytes([block[0] ^ 0xFF]) + block[1:] if spoilt else block
        spoilt = False


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A model hub with ModelScope's routes.")
    parser.add_argument("--host", default="", help="address to listen on; every one unless given")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    parser.add_argument("model", nargs="+", metavar="OWNER/NAME[@TAG]=FOLDER")
    arguments = parser.parse_args()
    repositories: dict[str, dict[str, Repository]] = {}
    for item in arguments.model:
        shelf, _, folder = item.partition("=")
        name, _, tag = shelf.partition("@")
        commit = sha256(tag.encode()).hexdigest()[: len(COMMIT)] if tag else COMMIT
        repository = Repository(Path(folder), commit)
        repositories.setdefault(name, {}).update({tag or MASTER: repository, repository.commit: repository})
    hub = Hub((arguments.host, arguments.port), repositories)
    # As PID 1 of a container it would not get the default action of SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"model hub listening on port {hub.server_port}", flush=True)
    hub.serve_forever()


if __name__ == "__main__":
    main()
