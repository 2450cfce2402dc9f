"""Everything of Dify's that is kept as wanted, in the order in which it can be made."""

from provision.dify.resources.admin import AdminAccount
from provision.dify.resources.auto_upgrade import PluginAutoUpgrade
from provision.dify.resources.base import PROVIDER, Resource
from provision.dify.resources.chatbot import Chatbot
from provision.dify.resources.default_models import DefaultModels
from provision.dify.resources.knowledge import DatasetKey, Knowledge
from provision.dify.resources.model_credential import ModelCredential
from provision.dify.resources.plugin import Plugin
from provision.dify.resources.publication import ApiKey, SiteAndApi
from provision.dify.resources.stray_models import StrayModels
from provision.dify.resources.tool_credential import ToolCredential

__all__ = [
    "PROVIDER",
    "AdminAccount",
    "ApiKey",
    "Chatbot",
    "DatasetKey",
    "DefaultModels",
    "Knowledge",
    "ModelCredential",
    "Plugin",
    "PluginAutoUpgrade",
    "Resource",
    "SiteAndApi",
    "StrayModels",
    "ToolCredential",
]
