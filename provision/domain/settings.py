"""Every setting of the project: its type, its default, its limits. ``group_data/`` fills them in.

Settings are grouped by role; a role is one namespaced object (``chat``, ``embed``, ``score``, ``dify``)
so that a host may hold several roles without one overwriting the other. ``serving`` is what all
model servers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from provision.domain.flags import managed
from provision.domain.gpu_providers import PROVIDERS, ProviderName
from provision.domain.port_settings import AUTO, LanAccess, Port, PortOrAuto, Profile
from provision.domain.setting_types import (
    AbsolutePath,
    Address,
    Endpoint,
    Environment,
    FindLink,
    FolderName,
    GpuCount,
    HttpUrl,
    HttpUrlBeyondLoopback,
    Length,
    LinuxPath,
    ModelId,
    PathOrVolume,
    PlainPath,
    Revision,
    Seconds,
    ServedName,
    SshAddress,
    Text,
    Transport,
)


def _left_out(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The given values; of those names, ``None`` means that none is given."""
    return {name: value for name, value in given.items() if name not in names or value is not None}


class Settings(BaseModel):
    """What every group of settings is: checked, fixed, and nothing that is not known."""

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
    find_links: list[FindLink] = []
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

    # Up to 1.11.2 Dify looks for an app by SQL's ILIKE, where a backslash would hide it (``AppService``).
    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\\]*$")] = "mofei"
    # Dify takes 400 characters; the mark of being managed that is added has 31.
    description: Annotated[str, Field(max_length=369)] = "问答机器人：Dify + vLLM + Qwen3"
    icon: Text = "🤖"
    icon_background: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#FFEAD5"
    prompt: Text = "templates/bot_prompt.md"
    opening_statement: str = ""
    suggested_questions: list[Text] = []
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.6
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[int, Field(ge=1)] = 160
    test_question: Text = "你好，请介绍一下你自己。"


class KnowledgeSettings(Settings):
    """Files that Dify searches for what the bot should know."""

    folders: list[FolderName] = []
    # Dify takes chunks of 50 to 4000 characters (``DocumentService.process_rule_args_validate``).
    chunk_size: Annotated[int, Field(ge=50, le=4000)] = 160
    top_k: Annotated[int, Field(ge=1, le=10)] = 2
    index_timeout: Seconds = 900

    @field_validator("folders")
    @classmethod
    def _once_each(cls, value: list[str]) -> list[str]:
        if twice := {name for name in value if value.count(name) > 1}:
            raise ValueError(f"names {', '.join(sorted(twice))} twice")
        return value


PluginName = Annotated[str, Field(pattern=r"^[\w-]+/[\w-]+(:[\w.-]+@[0-9a-f]{64})?$")]
"""The newest of a plugin, or, with version and checksum, exactly one."""


class StableDiffusionSettings(Settings):
    """A service with AUTOMATIC1111's API that draws pictures."""

    base_url: HttpUrlBeyondLoopback
    model: Text
    plugin: PluginName = "langgenius/stablediffusion"
    plugin_package: Text | None = None


class BackupSettings(Settings):
    """Where backups of the Dify host go, how many stay there, and what they are not of."""

    folder: LinuxPath = "/var/backups/dify-vllm-deploy"
    keep: Annotated[int, Field(ge=1)] = 5
    fetch_to: Text | None = None
    leave_out: list[PathOrVolume] = []


class DifySettings(Settings):
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "1.16.1"
    repository: HttpUrl = "https://github.com/langgenius/dify.git"
    folder: LinuxPath = "/opt/dify"
    port: PortOrAuto = 81
    ssl_port: Port = 443
    plugin_debugging_port: Port | None = None
    public_url: HttpUrl | None = None
    lan_access: LanAccess = "localsubnet"
    lan_profiles: Annotated[list[Profile], Field(min_length=1)] = ["private", "domain"]
    allow_wsl_restart: bool = False
    admin_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] = "admin@example.com"
    admin_name: Annotated[str, Field(min_length=1, max_length=30)] = "Admin"
    language: Text = "zh-Hans"
    plugin: PluginName = "langgenius/openai_api_compatible"
    plugin_package: Text | None = None
    plugin_auto_upgrade: Literal["disabled", "fix_only", "latest"] = "disabled"
    plugin_install_timeout: Seconds = 900
    plugin_silence_timeout: Seconds = 600
    pip_mirror_url: HttpUrl | None = None
    prune: bool = False
    take_over: bool = False
    env: Environment = {}
    start_timeout: Seconds = 900
    backup: BackupSettings = BackupSettings()
    bot: BotSettings = BotSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    stable_diffusion: StableDiffusionSettings | None = None

    @model_validator(mode="after")
    def _backups_lie_elsewhere(self) -> DifySettings:
        if PurePosixPath(self.backup.folder).is_relative_to(self.folder):
            raise ValueError(f"backup.folder {self.backup.folder} lies in folder, which a backup is of")
        for path in self.backup.leave_out:
            if PurePosixPath(path).is_relative_to(self.folder):
                raise ValueError(f"backup.leave_out names {path} in folder, which is packed as a whole")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> DifySettings:
        named: dict[int, str] = {}
        for name in ("port", "ssl_port", "plugin_debugging_port"):
            port = getattr(self, name)
            if port in named:
                raise ValueError(f"{named[port]} and {name} are both {port}")
            if port is not None:
                named[port] = name
        return self

    @model_validator(mode="after")
    def _one_place_for_the_port(self) -> DifySettings:
        url = urlsplit(self.public_url or "")
        if self.port == AUTO and url.scheme == "http" and url.port is not None:
            raise ValueError(
                f"public_url = {self.public_url!r} names a port while port is 'auto'; leave it out there, "
                "the chosen one is added"
            )
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
