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
from provision.domain.wiring.retrieval import MARK, Retrieval
from provision.keeper import secret
from provision.operations import endpoint
from provision.operations.administrator import adopted
from provision.operations.dify import resource
from provision.operations.painter import draws
from provision.templates import ROOT, text


@deploy("Wiring")
def wire(deployment: Deployment) -> None:
    """Connect the models, index what the bot is to know, create the bot, publish it, make a key."""
    if host.name != deployment.dify_host:
        return
    settings, bot = deployment.dify, deployment.dify.bot
    servers = list(deployment.servers.values())
    known = settings.knowledge
    retrieval = (
        Retrieval(PROVIDER, deployment.servers["score"].settings.served_name, known.top_k)
        if known.folders
        else None
    )

    def admin(dify: Dify) -> AdminAccount:
        return AdminAccount(
            dify,
            settings.admin_email,
            settings.admin_name,
            password(),
            secret(INIT_PASSWORD),
            settings.language,
        )

    def plugin(dify: Dify, wanted: str, package: str | None) -> Plugin:
        return Plugin(
            dify,
            wanted,
            settings.plugin_install_timeout,
            progress=host.log,
            package=ROOT / package if package else None,
        )

    def credential(dify: Dify, server: ModelServer) -> ModelCredential:
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

    def defaults(dify: Dify) -> DefaultModels:
        proven = (server for server in servers if server.role not in progress.not_done)
        return DefaultModels(
            dify, {MODEL_TYPES[server.role]: server.settings.served_name for server in proven}
        )

    def indexed(dify: Dify, folder: str, retrieval: Retrieval) -> Knowledge:
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

    def chatbot(dify: Dify) -> Chatbot:
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
            knowledge=known.folders,
            retrieval=retrieval,
        )

    for server in host.loop(servers):
        endpoint.reachable(
            name=f"Reach the {server.role} model as Dify will", server=server, deployment=deployment
        )
    resource(name="Create the administrator", settings=settings, make=admin)
    adopted(name="Keep the administrator's own password", settings=settings)
    resource(
        name="Install the plugin for OpenAI-compatible models",
        settings=settings,
        make=lambda dify: plugin(dify, settings.plugin, settings.plugin_package),
    )
    resource(
        name="Set how plugins upgrade themselves",
        settings=settings,
        make=lambda dify: PluginAutoUpgrade(dify, strategy=settings.plugin_auto_upgrade),
    )
    for server in host.loop(servers):
        resource(
            name=f"Connect the {server.role} model",
            settings=settings,
            make=partial(credential, server=server),
            needs=(server.role,),
        )
    resource(name="Set the default models", settings=settings, make=defaults)
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
    if retrieval:
        resource(name="Make an API key for datasets", settings=settings, make=DatasetKey)
        for folder in host.loop(known.folders):
            resource(
                name=f"Index what is in knowledge/{folder}",
                settings=settings,
                make=partial(indexed, folder=folder, retrieval=retrieval),
                needs=("embed", "score"),
                extra=f"knowledge/{folder}",
            )
    resource(name="Create and publish the chatbot", settings=settings, make=chatbot, needs=("chat",))
    resource(
        name="Switch on its page and its API",
        settings=settings,
        make=lambda dify: SiteAndApi(dify, bot.name),
        needs=("chat",),
    )
    resource(
        name="Make an API key", settings=settings, make=lambda dify: ApiKey(dify, bot.name), needs=("chat",)
    )
    if painter := settings.stable_diffusion:
        provider = "langgenius/stablediffusion/stablediffusion"
        fields_of_tool = {"base_url": painter.base_url, "model": painter.model}
        draws(name="Reach Stable Diffusion as Dify will", painter=painter, dify=settings)
        resource(
            name="Install the plugin for Stable Diffusion",
            settings=settings,
            make=lambda dify: plugin(dify, painter.plugin, painter.plugin_package),
            extra="pictures",
        )
        resource(
            name="Connect Stable Diffusion",
            settings=settings,
            make=lambda dify: ToolCredential(dify, provider, fields_of_tool, ["base_url"]),
            extra="pictures",
        )
