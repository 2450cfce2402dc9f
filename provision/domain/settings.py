"""Every setting of the project: its type, its default, its limits. ``group_data/`` fills them in.

Settings are grouped by role; a role is one namespaced object (``chat``, ``embed``, ``score``, ``dify``)
so that a host may hold several roles without one overwriting the other. ``serving`` is what all
model servers share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    field_validator,
    model_validator,
)

from provision.domain.flags import managed
from provision.domain.gpu_providers import PROVIDERS, ProviderName

LOOPBACK = ("localhost", "127.", "::1", "0.0.0.0")  # noqa: S104 - compared, never bound

Port = Annotated[int, Field(ge=1, le=65535)]
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
    if re.match(r"^/mnt/[a-z](/|$)", path):
        raise ValueError("must not lie on a Windows drive (/mnt/<letter>): PostgreSQL breaks there")
    return path


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
LinuxPath = Annotated[PlainPath, AfterValidator(_no_windows_drive)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
SshAddress = Annotated[str, StringConstraints(pattern=r"^[\w][\w.-]*(:\d{1,5})?$")]
Address = Annotated[str, AfterValidator(_address)]
Environment = Annotated[dict[str, str], AfterValidator(_environment)]
ModelId = Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
Revision = Annotated[str, AfterValidator(_revision)]
ServedName = Annotated[str, StringConstraints(pattern=r"^[\w.:-]+$")]
Length = Annotated[int, Field(ge=16)]
Seconds = Annotated[int, Field(ge=10, le=7200)]
Transport = Literal["tunnel", "direct", "public"]
GpuCount = Annotated[int | Literal["auto"], PlainValidator(_gpus)]


def _left_out(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The given values; of those names, ``None`` means that none is given."""
    return {name: value for name, value in given.items() if name not in names or value is not None}


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ServingSettings(Settings):
    """What every model server of a host shares: places, packages, the model hub.

    ``data_dir``, ``user`` and ``start_hook`` may be left to the provider of the host (``None``).
    """

    provider: ProviderName | None = None
    start_hook: PlainPath | None = None
    data_dir: PlainPath = "/srv/dify-vllm"
    user: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,30}$")] = "dify-vllm"
    vllm_requirements: Text = "requirements/vllm-cuda.txt"
    allow_vulnerable_vllm: Literal["CVE-2026-22778"] | None = None
    index_url: HttpUrl | None = None
    find_links: list[Annotated[str, AfterValidator(_find_link)]] = []
    package_cache: PlainPath | None = None
    link_mode: Literal["copy", "hardlink", "symlink"] | None = None
    hub_endpoint: HttpUrl | None = None
    download_workers: Annotated[int, Field(ge=1, le=32)] = 4
    stall_timeout: Seconds = 60
    verify_models: bool = False
    start_timeout: Seconds = 900
    requests_per_second: Annotated[int, Field(ge=1, le=10000)] = 200
    requests_at_once: Annotated[int, Field(ge=1, le=10000)] = 256

    @model_validator(mode="before")
    @classmethod
    def _by_provider(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        values = _left_out(given, "data_dir", "user", "start_hook")
        if preset := PROVIDERS.get(str(values.get("provider"))):
            values.setdefault("data_dir", preset.data_dir)
            values.setdefault("start_hook", preset.start_hook)
        # Nobody but root may pass /root.
        if str(values.get("data_dir")).startswith("/root/"):
            values.setdefault("user", "root")
        return values


class ModelSettings(Settings):
    """One model behind one gateway; the three roles differ only in their defaults.

    ``listen_port`` may be left to the provider of the host (``None``).
    """

    model: ModelId
    revision: Revision = "master"
    model_path: AbsolutePath | None = None
    served_name: ServedName
    max_model_len: Length
    tensor_parallel_size: GpuCount = 1
    vllm_port: Port
    listen_address: Address | None = None
    listen_port: Port = 8080
    transport: Transport = "direct"
    endpoint: Endpoint | None = None
    tunnel_port: Port
    tunnel_address: SshAddress | None = None
    extra_args: list[Text] = []
    env: Environment = {}

    @model_validator(mode="before")
    @classmethod
    def _usual_port(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        return _left_out(given, "listen_port")

    @field_validator("extra_args")
    @classmethod
    def _keep_managed_arguments(cls, value: list[str]) -> list[str]:
        for argument in value:
            if flag := managed(argument):
                # Without its value: that of --api-key is a secret.
                name = argument.split("=", 1)[0]
                full = name if name == flag else f"{name} stands for {flag}, which"
                raise ValueError(f"{full} is managed by a setting of its own; take it out")
        return value


class ChatSettings(ModelSettings):
    model: ModelId = "Qwen/Qwen3-0.6B"
    served_name: ServedName = "qwen3-0.6b"
    max_model_len: Length = 1024
    vllm_port: Port = 8000
    tunnel_port: Port = 18000
    thinking: bool = False


class EmbedSettings(ModelSettings):
    model: ModelId = "BAAI/bge-base-zh-v1.5"
    served_name: ServedName = "bge-base-zh-v1.5"
    max_model_len: Length = 512
    vllm_port: Port = 8001
    transport: Transport = "tunnel"
    tunnel_port: Port = 18001


class ScoreSettings(ModelSettings):
    model: ModelId = "BAAI/bge-reranker-base"
    served_name: ServedName = "bge-reranker-base"
    max_model_len: Length = 512
    vllm_port: Port = 8002
    transport: Transport = "tunnel"
    tunnel_port: Port = 18002


class BotSettings(Settings):
    """The chatbot that Dify publishes."""

    name: Annotated[str, Field(min_length=1, max_length=40)] = "mofei"
    description: str = "问答机器人：Dify + vLLM + Qwen3"
    icon: Text = "🤖"
    icon_background: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#FFEAD5"
    prompt: Text = "templates/bot_prompt.md"
    opening_statement: str = ""
    suggested_questions: list[Text] = []
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.6
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[int, Field(ge=1)] = 512
    test_question: Text = "你好，请介绍一下你自己。"


class BackupSettings(Settings):
    """Where backups of the Dify host go, and how many stay there."""

    folder: LinuxPath = "/var/backups/dify-vllm-deploy"
    keep: Annotated[int, Field(ge=1)] = 5
    fetch_to: Text | None = None


class DifySettings(Settings):
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "1.16.1"
    repository: HttpUrl = "https://github.com/langgenius/dify.git"
    folder: LinuxPath = "/opt/dify"
    port: Port = 81
    ssl_port: Port = 443
    public_url: HttpUrl | None = None
    lan_access: bool = True
    admin_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] = "admin@example.com"
    admin_name: Annotated[str, Field(min_length=1, max_length=30)] = "Admin"
    language: Text = "zh-Hans"
    plugin: Annotated[str, Field(pattern=r"^[\w-]+/[\w-]+(:[\w.-]+@[0-9a-f]{64})?$")] = (
        "langgenius/openai_api_compatible"
    )
    pip_mirror_url: HttpUrl | None = None
    env: Environment = {}
    start_timeout: Seconds = 900
    backup: BackupSettings = BackupSettings()
    bot: BotSettings = BotSettings()

    @model_validator(mode="after")
    def _backups_lie_elsewhere(self) -> DifySettings:
        if PurePosixPath(self.backup.folder).is_relative_to(self.folder):
            raise ValueError(f"backup.folder {self.backup.folder} lies in folder, which a backup is of")
        return self

    @field_validator("admin_email")
    @classmethod
    def _lower_case(cls, value: str) -> str:
        # Dify lower-cases it on setup; a capital would later look like a difference.
        return value.lower()

    @model_validator(mode="after")
    def _ports_differ(self) -> DifySettings:
        if self.port == self.ssl_port:
            raise ValueError(f"port and ssl_port are both {self.port}")
        return self


ModelRole = Literal["chat", "embed", "score"]
MODEL_ROLES: tuple[ModelRole, ...] = ("chat", "embed", "score")

NAMESPACES: dict[str, type[Settings]] = {
    "serving": ServingSettings,
    "chat": ChatSettings,
    "embed": EmbedSettings,
    "score": ScoreSettings,
    "dify": DifySettings,
}
