"""Types of settings with the checks that belong to them: paths, addresses of the web, names, lengths."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from posixpath import normpath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints

LOOPBACK = ("localhost", "127.", "::1", "0.0.0.0")  # noqa: S104 - compared, never bound

Text = Annotated[str, Field(min_length=1)]


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path on the host")
    return path.rstrip("/") or "/"


def _plain(path: str) -> str:
    # Such a path stands in unit files, nginx's configuration and Python's environments, each with
    # quoting rules of its own.
    if not re.fullmatch(r"[\w./+-]+", path, re.ASCII):
        raise ValueError("may hold letters, digits and . _ + - / only")
    return path


def _no_windows_drive(path: str) -> str:
    # PostgreSQL cannot keep its data directory on a Windows drive (permissions).
    if re.match(r"^/+mnt/[a-z](/|$)", normpath(path)):
        raise ValueError("must not lie on a Windows drive (/mnt/<letter>): PostgreSQL breaks there")
    return path


def _leave_out(name: str) -> str:
    if name.startswith("/"):
        return _absolute(name)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise ValueError("must be an absolute path on the host, or the name of a Docker volume")
    return name


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    _ = parts.port  # raises for one that is no number or out of range
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or a fragment")
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise ValueError("must be an http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password: it would stand in logs and process lists")
    return url.rstrip("/")


def _endpoint(url: str) -> str:
    url = _http_url(url)
    if not url.endswith("/v1"):
        raise ValueError(f"must end with /v1, for instance {url}/v1")
    return _beyond_loopback(url)


def _beyond_loopback(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if host.startswith(LOOPBACK):
        raise ValueError("is a loopback address: inside Dify's containers that is the container itself")
    return url


def _address(text: str) -> str:
    return str(IPv4Address(text))


def _environment(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ValueError(f"{name!r} is not the name of a variable")
        # The readers of .env (compose, Dify's scripts) disagree on how these are escaped.
        if any(character in text for character in "'\\\n\r"):
            raise ValueError(f"{name} holds a quote, a backslash or a newline, which .env files cannot carry")
    return value


def _revision(name: str) -> str:
    # The model's folder is named after it. (Git allows more in a branch's name, even slashes.)
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,99}", name, re.ASCII):
        raise ValueError(
            "must begin with a letter or digit and may hold letters, digits and . _ + - only; "
            "of a branch with another name take the commit"
        )
    return name


def _gpus(value: object) -> object:
    # A plain check instead of a union of types: one message, not one for each member.
    if value == "auto" or (type(value) is int and value >= 1):
        return value
    raise ValueError("must be a number of GPUs from 1, or 'auto' for all of the host")


def _find_link(place: str) -> str:
    return _http_url(place) if "://" in place else _absolute(place)


PlainPath = Annotated[str, AfterValidator(_absolute), AfterValidator(_plain)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
PathOrVolume = Annotated[str, AfterValidator(_leave_out)]
LinuxPath = Annotated[PlainPath, AfterValidator(_no_windows_drive)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpUrlBeyondLoopback = Annotated[HttpUrl, AfterValidator(_beyond_loopback)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
SshAddress = Annotated[str, StringConstraints(pattern=r"^[\w][\w.-]*(:\d{1,5})?$")]
Address = Annotated[str, AfterValidator(_address)]
Environment = Annotated[dict[str, str], AfterValidator(_environment)]
ModelId = Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
Revision = Annotated[str, AfterValidator(_revision)]
# A folder of knowledge/, and the name of a dataset, which has 40 characters at most.
FolderName = Annotated[str, StringConstraints(pattern=r"^[^\s./\\][^/\\\n]{0,39}$")]
ServedName = Annotated[str, StringConstraints(pattern=r"^[\w.:-]+$")]
Length = Annotated[int, Field(ge=16)]
Seconds = Annotated[int, Field(ge=10, le=7200)]
Transport = Literal["tunnel", "direct", "public"]
GpuCount = Annotated[int | Literal["auto"], PlainValidator(_gpus)]
FindLink = Annotated[str, AfterValidator(_find_link)]
