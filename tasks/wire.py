"""Dify learns of the models, and gets its chatbot."""

from __future__ import annotations

from functools import partial

from pyinfra import host
from pyinfra.api import deploy

from provision import knowledge, progress
from provision.administrator import password
from provision.dify.client import Dify
from provision.dify.resources.admin import AdminAccount
from provision.dify.resources.auto_upgrade import PluginAutoUpgrade
from provision.dify.resources.base import PROVIDER
from provision.dify.resources.chatbot import Chatbot
from provision.dify.resources.default_models import DefaultModels
from provision.dify.resources.knowledge import DatasetKey, Knowledge
from provision.dify.resources.model_credential import ModelCredential
from provision.dify.resources.plugin import Plugin
from provision.dify.resources.publication import ApiKey, SiteAndApi
from provision.dify.resources.stray_models import StrayModels
from provision.dify.resources.tool_credential import ToolCredential
from provision.domain.deployment import Deployment, ModelServer
from provision.domain.providers import MODEL_TYPES, SWITCHES_THINKING, fields
from provision.domain.secrets import FINGERPRINT_SALT, INIT_PASSWORD, api_key_name
from provision.domain.settings import DifySettings, StableDiffusionSettings
from provision.domain.wiring.retrieval import MARK, Retrieval
from provision.keeper import secret
from provision.operations import endpoint
from provision.operations.administrator import adopted
from provision.operations.dify import resource
from provision.operations.painter import draws
from provision.templates import ROOT, text

_PAINTER = "langgenius/stablediffusion/stablediffusion"


@deploy("Wiring")
def wire(deployment: Deployment) -> None:
    """Connect the models, index what the bot is to know, create the bot, publish it, make a key."""
    if host.name != deployment.dify_host:
        return
    _reach_the_models(deployment)
    _administer(deployment.dify)
    _install_the_plugin(deployment.dify)
    _connect_the_models(deployment)
    retrieval = _retrieval(deployment)
    if retrieval:
        _index(deployment, retrieval)
    _publish_the_bot(deployment, retrieval)
    if deployment.dify.stable_diffusion:
        _connect_the_painter(deployment.dify, deployment.dify.stable_diffusion)


def _reach_the_models(deployment: Deployment) -> None:
    for server in host.loop(list(deployment.servers.values())):
        endpoint.reachable(
            name=f"Reach the {server.role} model as Dify will", server=server, deployment=deployment
        )


def _administer(settings: DifySettings) -> None:
    resource(
        name="Create the administrator",
        settings=settings,
        make=lambda dify: AdminAccount(
            dify,
            settings.admin_email,
            settings.admin_name,
            password(),
            secret(INIT_PASSWORD),
            settings.language,
        ),
    )
    adopted(name="Keep the administrator's own password", settings=settings)


def _install_the_plugin(settings: DifySettings) -> None:
    resource(
        name="Install the plugin for OpenAI-compatible models",
        settings=settings,
        make=lambda dify: _plugin(dify, settings, settings.plugin, settings.plugin_package),
    )
    resource(
        name="Set how plugins upgrade themselves",
        settings=settings,
        make=lambda dify: PluginAutoUpgrade(dify, strategy=settings.plugin_auto_upgrade),
    )


def _connect_the_models(deployment: Deployment) -> None:
    settings, servers = deployment.dify, list(deployment.servers.values())
    for server in host.loop(servers):
        resource(
            name=f"Connect the {server.role} model",
            settings=settings,
            make=partial(_credential, deployment=deployment, server=server),
            needs=(server.role,),
        )
    resource(
        name="Set the default models", settings=settings, make=lambda dify: _default_models(dify, servers)
    )
    resource(
        name="Look for models that left",
        settings=settings,
        make=lambda dify: StrayModels(
            dify,
            {(MODEL_TYPES[server.role], server.settings.served_name) for server in servers},
            settings.prune,
            host.log,
        ),
    )


def _index(deployment: Deployment, retrieval: Retrieval) -> None:
    settings = deployment.dify
    resource(name="Make an API key for datasets", settings=settings, make=DatasetKey)
    for folder in host.loop(settings.knowledge.folders):
        resource(
            name=f"Index what is in knowledge/{folder}",
            settings=settings,
            make=partial(_knowledge, deployment=deployment, folder=folder, retrieval=retrieval),
            needs=("embed", "score"),
            extra=f"knowledge/{folder}",
        )


def _publish_the_bot(deployment: Deployment, retrieval: Retrieval | None) -> None:
    settings, name = deployment.dify, deployment.dify.bot.name
    resource(
        name="Create and publish the chatbot",
        settings=settings,
        make=partial(_chatbot, deployment=deployment, retrieval=retrieval),
        needs=("chat",),
    )
    resource(
        name="Switch on its page and its API",
        settings=settings,
        make=lambda dify: SiteAndApi(dify, name),
        needs=("chat",),
    )
    resource(name="Make an API key", settings=settings, make=lambda dify: ApiKey(dify, name), needs=("chat",))


def _connect_the_painter(settings: DifySettings, painter: StableDiffusionSettings) -> None:
    credentials = {"base_url": painter.base_url, "model": painter.model}
    draws(name="Reach Stable Diffusion as Dify will", painter=painter, dify=settings)
    resource(
        name="Install the plugin for Stable Diffusion",
        settings=settings,
        make=lambda dify: _plugin(dify, settings, painter.plugin, painter.plugin_package),
        extra="pictures",
    )
    resource(
        name="Set how plugins of tools upgrade themselves",
        settings=settings,
        make=lambda dify: PluginAutoUpgrade(dify, "tool", settings.plugin_auto_upgrade),
        extra="pictures",
    )
    resource(
        name="Connect Stable Diffusion",
        settings=settings,
        make=lambda dify: ToolCredential(dify, _PAINTER, credentials, ["base_url"]),
        extra="pictures",
    )


def _plugin(dify: Dify, settings: DifySettings, wanted: str, package: str | None) -> Plugin:
    return Plugin(
        dify,
        wanted,
        settings.plugin_install_timeout,
        progress=host.log,
        package=ROOT / package if package else None,
    )


def _credential(dify: Dify, deployment: Deployment, server: ModelServer) -> ModelCredential:
    size = progress.context_sizes.get(server.role, server.settings.max_model_len)
    return ModelCredential(
        dify,
        server.settings.served_name,
        MODEL_TYPES[server.role],
        fields(deployment, server, size),
        secret(api_key_name(server.role)),
        secret(FINGERPRINT_SALT).encode(),
        needs=SWITCHES_THINKING if server.role in progress.thinking else {},
    )


def _default_models(dify: Dify, servers: list[ModelServer]) -> DefaultModels:
    proven = (server for server in servers if server.role not in progress.not_done)
    return DefaultModels(dify, {MODEL_TYPES[server.role]: server.settings.served_name for server in proven})


def _retrieval(deployment: Deployment) -> Retrieval | None:
    """How the bot searches; None when there is nothing that it is to know."""
    known = deployment.dify.knowledge
    if not known.folders:
        return None
    return Retrieval(PROVIDER, deployment.servers["score"].settings.served_name, known.top_k)


def _knowledge(dify: Dify, deployment: Deployment, folder: str, retrieval: Retrieval) -> Knowledge:
    known = deployment.dify.knowledge
    return Knowledge(
        dify,
        folder,
        knowledge.documents(known, folder),
        known.chunk_size,
        deployment.servers["embed"].settings.served_name,
        retrieval,
        known.index_timeout,
        progress=host.log,
        report=host.log,
    )


def _chatbot(dify: Dify, deployment: Deployment, retrieval: Retrieval | None) -> Chatbot:
    bot = deployment.dify.bot
    return Chatbot(
        dify,
        name=bot.name,
        description=f"{bot.description} ({MARK})",
        icon=bot.icon,
        icon_background=bot.icon_background,
        model=deployment.servers["chat"].settings.served_name,
        prompt=text(bot.prompt).strip(),
        completion_params={
            "temperature": bot.temperature,
            "top_p": bot.top_p,
            "max_tokens": bot.max_tokens,
        },
        opening_statement=bot.opening_statement,
        suggested_questions=bot.suggested_questions,
        knowledge=deployment.dify.knowledge.folders,
        retrieval=retrieval,
    )
