"""The whole deployment as one checked object: which host holds which role, with which settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from provision.domain.dify_env import MANAGED
from provision.domain.gpu_providers import PROVIDERS
from provision.domain.settings import (
    LOOPBACK,
    MODEL_ROLES,
    NAMESPACES,
    DifySettings,
    ModelRole,
    ModelSettings,
    ServingSettings,
)
from provision.domain.tunnel import Tunnel
from provision.domain.validation import SettingsError, parse

ROLES = (*MODEL_ROLES, "dify")

# Keys of pyinfra's own that may stand beside our namespaces in an inventory.
PYINFRA_PREFIXES = ("ssh_", "_", "wsl_")

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the gateway is the declared, guarded listener
LOOPBACK_ADDRESS = "127.0.0.1"


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
        dify_url: the address that people and programs use, and that Dify makes links with.
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
        problems += _unknown_keys(host, values)
    for role in MODEL_ROLES:
        for host in groups.get(role, [])[:1]:
            try:
                servers[role] = _server(role, host, data[host], groups.get("dify", []))
            except SettingsError as error:
                problems += error.problems
    dify_host, dify, dify_url = "", DifySettings(), ""
    for dify_host in groups.get("dify", [])[:1]:
        try:
            dify = cast("DifySettings", parse("dify", data[dify_host].get("dify", {}), where=dify_host))
            dify_url = _dify_url(dify_host, data[dify_host], dify)
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
    return Deployment(servers, dify_host, dify, dify_url)


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
        tunnel = _tunnel(role, host, values, settings, dify_hosts)
        return ModelServer(role, host, settings, serving, tunnel.endpoint, tunnel)
    return ModelServer(role, host, settings, serving, _endpoint(role, host, values, settings))


def _tunnel(
    role: str, host: str, values: Mapping[str, Any], settings: ModelSettings, dify_hosts: Sequence[str]
) -> Tunnel:
    problem = None
    address = str(values.get("ssh_hostname", host))
    if settings.endpoint:
        problem = (
            f"{role}.endpoint = {settings.endpoint!r} is where a public or direct model is found, but "
            f"{role}.transport is tunnel; take the endpoint out, or set the transport to public or direct"
        )
    elif host in dify_hosts:
        problem = f"{role}.transport is tunnel, but the model is on Dify's own host; set it to direct"
    elif address.startswith("@"):
        problem = (
            f"{role}.transport is tunnel, which ends at an sshd, and {address} has none; set it to direct"
        )
    elif settings.listen_address not in (None, LOOPBACK_ADDRESS):
        problem = (
            f"{role}.listen_address = {settings.listen_address!r}, but a tunnel ends on the box's loopback "
            f"and nothing else is to be public; take it out, or set {role}.transport to direct or public"
        )
    elif str(values.get("ssh_strict_host_key_checking")).lower() in ("no", "off", "false"):
        problem = (
            f"{role}.transport is tunnel, which pins the host key that your own connection verifies, but "
            "ssh_strict_host_key_checking is off; set it to 'yes'"
        )
    if problem:
        raise SettingsError([f"{host}: {problem}"])
    ssh_port = int(values.get("ssh_port", 22))
    if settings.tunnel_address:
        address, _, port = settings.tunnel_address.partition(":")
        ssh_port = int(port or 22)
    user = str(values.get("ssh_user", "root"))
    return Tunnel(address, ssh_port, user, settings.tunnel_port, settings.listen_port)


def _endpoint(role: str, host: str, values: Mapping[str, Any], settings: ModelSettings) -> str:
    """The given endpoint, or (a LAN) the address that we reach the host by."""
    if settings.endpoint:
        return settings.endpoint
    if settings.transport == "public":
        raise SettingsError(
            [
                f"{host}: {role}.transport is public, but {role}.endpoint is not set; set it to where the "
                "provider publishes the port, such as http://i-2.gpushare.com:42141/v1"
            ]
        )
    address = str(values.get("ssh_hostname", host))
    if address.startswith(("@", *LOOPBACK)):
        raise SettingsError(
            [
                f"{host}: {role}.endpoint is not set and the host's address ({address}) is of no use to "
                f"Dify's containers; set it to the URL as Dify reaches it, such as "
                f"http://host.docker.internal:{settings.listen_port}/v1"
            ]
        )
    return f"http://{address}:{settings.listen_port}/v1"


def _dify_url(host: str, values: Mapping[str, Any], dify: DifySettings) -> str:
    if dify.public_url:
        if urlsplit(dify.public_url).path:
            raise SettingsError(
                [
                    f"{host}: dify.public_url = {dify.public_url!r} holds a path, and Dify works at the root "
                    "of a name only; give it a name or a port of its own"
                ]
            )
        return dify.public_url
    address = str(values.get("ssh_hostname", host))
    if address.startswith(("@", *LOOPBACK)):
        raise SettingsError(
            [
                f"{host}: dify.public_url is not set and the host's address ({address}) means nothing "
                f"to others; set it to what people will type, such as http://192.168.1.117:{dify.port}"
            ]
        )
    return f"http://{address}" + ("" if dify.port == 80 else f":{dify.port}")


def _unknown_keys(host: str, values: Mapping[str, Any]) -> list[str]:
    return [
        f"{host}: {key} is not a setting; known are {', '.join(NAMESPACES)} and pyinfra's ssh_… and _… keys"
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
        used[dify_host, dify.port].append("dify.port")
        used[dify_host, dify.ssl_port].append("dify.ssl_port")
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
