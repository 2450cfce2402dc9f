"""The one model provider, and the list of providers that is cached (recording "model-providers", "cache:…").

The list is kept for a day. Installing, upgrading and uninstalling drop it, and so does reading a finished
task; whoever reads it while an installation runs, and does not follow the task, keeps an empty one.
"""

from __future__ import annotations

import json
from typing import Any

from .context import Site
from .daemon.failures import DaemonError, DaemonUnreachableError
from .errors import DaemonGoneError, invalid_param

PLUGIN = "langgenius/openai_api_compatible"
PROVIDER = f"{PLUGIN}/openai_api_compatible"
MODEL_TYPES = ("llm", "rerank", "text-embedding", "speech2text", "tts")
CACHED_SECONDS = 86400
LABEL = {"zh_Hans": "OpenAI-API-compatible", "en_US": "OpenAI-API-compatible"}


def full_name(name: str) -> str:
    """A provider's three-part name; a short one is taken for langgenius' (source: ``ModelProviderID``)."""
    return name if "/" in name else f"langgenius/{name}/{name}"


def installed(site: Site) -> list[str]:
    """Names of the providers, from the cache (which there is since 1.15.0) when it knows them.

    Raises:
        DaemonUnreachableError, DaemonError: the cache does not know them, and the daemon does not say.
    """
    key = f"plugin_model_providers:{site.tenant_id()}"
    cached = site.cache.get(key) if site.settings.since("1.15.0") else None
    if cached is not None:
        return list(json.loads(cached))
    plugins = site.daemon.providers(site.tenant_id())
    found = [PROVIDER] if PLUGIN in plugins else []
    site.cache.set(key, json.dumps(found), CACHED_SECONDS)
    return found


def forget(site: Site) -> None:
    """Drop the cached list."""
    site.cache.delete(f"plugin_model_providers:{site.tenant_id()}")


def require(site: Site, name: str) -> str:
    """The full name of a provider that is there.

    Raises:
        ApiError: 400, it is not; or nobody can say.
    """
    try:
        there = full_name(name) in installed(site)
    except (DaemonUnreachableError, DaemonError) as error:
        raise DaemonGoneError(str(error)) from error
    if not there:
        raise invalid_param(f"Provider {name} does not exist.")
    return full_name(name)


def icons(site: Site) -> dict[str, Any]:
    """The provider's pictures, of which the plugin has one."""
    path = f"/console/api/workspaces/{site.tenant_id()}/model-providers/{PROVIDER}/icon_small"
    small = {language: f"{site.settings.console_api_url}{path}/{language}" for language in LABEL}
    large = {} if site.settings.since("1.11.0") else {"icon_large": None}
    return {"icon_small": small, "icon_small_dark": None, **large}


def summary(site: Site) -> dict[str, Any]:
    """The provider as models and default models carry it along."""
    return {
        "provider": PROVIDER,
        "provider_name": "",
        "label": LABEL,
        **icons(site),
        "supported_model_types": list(MODEL_TYPES),
        "tenant_id": site.tenant_id(),
        "models": [],
    }
