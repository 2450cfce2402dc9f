"""The whole deployment as one checked object: which host holds which role, with which settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from provision.domain.addresses import (
    EVERYWHERE,
    LOOPBACK_ADDRESS,
    dify_url,
    endpoint_of,
    tunnel_to,
    url_with_port,
)
from provision.domain.dify_env import MANAGED
from provision.domain.gpu_providers import PROVIDERS
from provision.domain.port_settings import AUTO
from provision.domain.settings import (
    MODEL_ROLES,
    NAMESPACES,
    DifySettings,
    ModelRole,
    ModelSettings,
    ServingSettings,
)
from provision.domain.tunnel import Tunnel
from provision.domain.validation import SettingsError, parse
from provision.domain.wsl import setting_problems

ROLES = (*MODEL_ROLES, "dify")

# Keys of pyinfra's own that may stand beside our namespaces in an inventory.
PYINFRA_PREFIXES = ("ssh_", "_", "wsl_")


@dataclass(frozen=True)
class ModelServer:
    """One model role on one host.

    Attributes:
        endpoint: the URL under which Dify reaches the model, ending in ``/v1``.
        tunnel: the way to it, where it is not reached directly.
    """

    role: ModelRole
    host: str
    settings: ModelSettings
    serving: ServingSettings
    endpoint: str
    tunnel: Tunnel | None = None

    @property
    def listen_address(self) -> str:
        """Where its gateway listens: behind a tunnel nothing but loopback has to."""
        return self.settings.listen_address or (LOOPBACK_ADDRESS if self.tunnel else EVERYWHERE)

    @property
    def model_dir(self) -> str:
        """Where the model lies on its host: the owner's own folder, or ours, one for each revision."""
        return self.settings.model_path or self.revisions[0] + self.settings.revision

    @property
    def staging_dir(self) -> str:
        """Where a download is gathered before it becomes the model's folder."""
        return self.revisions[1] + self.settings.revision

    @property
    def revisions(self) -> tuple[str, str]:
        """What our folders of this model begin with, whatever the revision: models, downloads."""
        models = f"{self.serving.data_dir}/models"
        folder = self.settings.model.replace("/", "--")
        return f"{models}/{folder}@", f"{models}/.staging/{folder}@"


@dataclass(frozen=True)
class Deployment:
    """Every role with its host and settings; ``servers`` has at most one host a role.

    Attributes:
        dify_url: the address that people and programs use, and that Dify makes links with. While
            ``dify.port`` is :data:`~provision.domain.port_settings.AUTO` it lacks the port; see
            :func:`with_port`.
    """

    servers: dict[ModelRole, ModelServer]
    dify_host: str
    dify: DifySettings
    dify_url: str

    def on(self, host: str) -> list[ModelServer]:
        """The model servers of a host, in the order chat, embed, score."""
        return [
            self.servers[role]
            for role in MODEL_ROLES
            if role in self.servers and self.servers[role].host == host
        ]


def deployment(groups: Mapping[str, list[str]], data: Mapping[str, Mapping[str, Any]]) -> Deployment:
    """Check everything that can be known before a host is asked.

    Args:
        groups: role to its hosts (other groups are ignored).
        data: host to its data, all layers merged.

    Raises:
        SettingsError: every problem found, one line each, each naming host and setting.
    """
    problems: list[str] = []
    servers: dict[ModelRole, ModelServer] = {}
    for role in ROLES:
        hosts = groups.get(role, [])
        if len(hosts) > 1:
            problems.append(f"inventory: role {role} is given to {', '.join(hosts)}; give it to one host")
        if not hosts and role in ("chat", "dify"):
            problems.append(f'inventory: no host has the role {role}; add {role} = ["<host>"]')
    for host, values in data.items():
        problems += [*_unknown_keys(host, values), *setting_problems(host, values)]
    for role in MODEL_ROLES:
        for host in groups.get(role, [])[:1]:
            try:
                servers[role] = _server(role, host, data[host], groups.get("dify", []))
            except SettingsError as error:
                problems += error.problems
    dify_host, dify, url = "", DifySettings(), ""
    for dify_host in groups.get("dify", [])[:1]:
        try:
            dify = cast("DifySettings", parse("dify", data[dify_host].get("dify", {}), where=dify_host))
            url = dify_url(dify_host, data[dify_host], dify)
        except SettingsError as error:
            problems += error.problems
    problems += _port_clashes(servers, dify_host, dify)
    problems += _context(servers, dify_host, dify)
    problems += [
        f"{dify_host}: dify.env.{name} is managed by a setting of its own; take it out"
        for name in sorted(MANAGED & dify.env.keys())
    ]
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))
    return Deployment(servers, dify_host, dify, url)


def with_port(deployment: Deployment, port: int) -> Deployment:
    """The deployment with the port that was chosen for "auto".

    An ``https`` address belongs to a proxy in front, which has a port of its own.
    """
    url = deployment.dify_url
    return replace(
        deployment,
        dify=deployment.dify.model_copy(update={"port": port}),
        dify_url=url_with_port(url, port) if urlsplit(url).scheme == "http" else url,
    )


def _server(role: ModelRole, host: str, values: Mapping[str, Any], dify_hosts: Sequence[str]) -> ModelServer:
    problems = []
    parsed = {}
    for namespace in (role, "serving"):
        try:
            parsed[namespace] = parse(namespace, values.get(namespace, {}), where=host)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    settings = cast("ModelSettings", parsed[role])
    serving = cast("ServingSettings", parsed["serving"])
    preset = PROVIDERS[serving.provider] if serving.provider else None
    if preset and preset.listen_port and "listen_port" not in settings.model_fields_set:
        settings = settings.model_copy(update={"listen_port": preset.listen_port})
    if settings.transport == "tunnel":
        tunnel = tunnel_to(role, host, values, settings, dify_hosts)
        return ModelServer(role, host, settings, serving, tunnel.endpoint, tunnel)
    endpoint = endpoint_of(role, host, values, settings, beside_dify=host in dify_hosts)
    return ModelServer(role, host, settings, serving, endpoint)


def _unknown_keys(host: str, values: Mapping[str, Any]) -> list[str]:
    return [
        f"{host}: {key} is not a setting; known are {', '.join(NAMESPACES)}, and keys ssh_…, wsl_…, _…"
        for key in values
        if key not in NAMESPACES and not key.startswith(PYINFRA_PREFIXES)
    ]


def _port_clashes(servers: Mapping[ModelRole, ModelServer], dify_host: str, dify: DifySettings) -> list[str]:
    used: dict[tuple[str, int], list[str]] = defaultdict(list)
    for role, server in servers.items():
        used[server.host, server.settings.listen_port].append(f"{role}.listen_port")
        used[server.host, server.settings.vllm_port].append(f"{role}.vllm_port")
        if server.tunnel and dify_host:
            used[dify_host, server.tunnel.port].append(f"{role}.tunnel_port")
    if dify_host:
        if dify.port != AUTO:
            used[dify_host, dify.port].append("dify.port")
        used[dify_host, dify.ssl_port].append("dify.ssl_port")
        if dify.plugin_debugging_port is not None:
            used[dify_host, dify.plugin_debugging_port].append("dify.plugin_debugging_port")
    return [
        f"{host}: port {port} is used by {' and '.join(settings)}; give each its own"
        for (host, port), settings in used.items()
        if len(settings) > 1
    ]


def _context(servers: Mapping[ModelRole, ModelServer], dify_host: str, dify: DifySettings) -> list[str]:
    chat = servers.get("chat")
    if not chat or dify.bot.max_tokens < chat.settings.max_model_len:
        return []
    return [
        f"{dify_host}: dify.bot.max_tokens = {dify.bot.max_tokens} leaves no room for a question in "
        f"chat.max_model_len = {chat.settings.max_model_len} of {chat.host}; lower the one or raise the other"
    ]
