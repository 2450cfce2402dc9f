"""Providers, the list of models, a model's parameters (recording "model-providers", "models…")."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from starlette.responses import JSONResponse, Response

from . import form, model_store, provider
from .call import Call, no_content, result
from .context import Site
from .credentials import MODEL, PREFIX, TYPES
from .daemon.failures import DaemonError, DaemonUnreachableError
from .daemon_calls import management
from .errors import invalid_param
from .payload import Field, check
from .session import signed_in
from .store import Document

DEFAULT_MAX_TOKENS = 512
SCHEMA_SECONDS = 3600


def providers(site: Site, call: Call) -> Response:
    """Every provider with its models; one type's on request."""
    wanted = check("ParserModelList", call.query, (Field("model_type", required=False, options=TYPES),))
    with management():
        found = provider.installed(site)
    fits = wanted.get("model_type", provider.MODEL_TYPES[0]) in provider.MODEL_TYPES
    return JSONResponse({"data": [_provider(site) for _ in found] if fits else []})


def listed(site: Site, call: Call) -> Response:
    """A provider's models; nothing, and no error, for a name that is not the full one."""
    with management():
        there = call.path["provider"] in provider.installed(site)
    kinds = provider.MODEL_TYPES if there else ()
    found = [entry for kind in kinds for entry in available(site, kind)]
    whose = provider.summary(site)
    return JSONResponse({"data": [{**describe(site, entry), "provider": whose} for entry in found]})


def by_type(site: Site, call: Call) -> Response:
    """What the model pickers show for one type."""
    with management():
        there = provider.installed(site)
    found = [describe(site, entry) for entry in available(site, call.path["model_type"])]
    if not there or not found:
        return JSONResponse({"data": []})
    whose = provider.summary(site)
    for name in ("provider_name", "supported_model_types"):
        whose.pop(name)
    return JSONResponse({"data": [{**whose, "status": "active", "models": found}]})


def use_credential(site: Site, call: Call) -> Response:
    """Since 1.8.0 this only chooses the credential of a model on the list."""
    fields = (*MODEL, Field("config_from", required=False), Field("credential_id", required=False))
    given = check("ParserPostModels", call.json(), fields)
    provider.require(site, call.path["provider"])
    model_type, name = given["model_type"], given["model"]
    if given.get("config_from") == "custom-model":
        if not given.get("credential_id"):
            raise invalid_param("credential_id is required when configuring a custom-model")
        if model_store.credential(site, model_type, name, given["credential_id"]) is None:
            raise invalid_param("The credential record not found.")
        if model_store.model(site, model_type, name) is None:
            raise invalid_param("The custom model record not found.")
        model_store.put_on_list(site, model_type, name, given["credential_id"])
    return result()


def take_off(site: Site, call: Call) -> Response:
    """Take a model off the list; its credentials stay."""
    given = check("ParserDeleteModels", call.json(), MODEL)
    provider.require(site, call.path["provider"])
    model_store.take_off_list(site, given["model_type"], given["model"])
    return no_content()


def parameter_rules(site: Site, call: Call) -> Response:
    """Which ``completion_params`` a chat model takes, and their bounds."""
    name = check("ParserParameter", call.query, (Field("model"),))["model"]
    provider.require(site, call.path["provider"])
    found = model_store.current(site, "llm", name)
    most = float(found["values"].get("max_tokens_to_sample") or 4096) if found else 4096.0
    return JSONResponse(
        {
            "data": [
                _rule("temperature", "float", 0.7, 0.0, 2.0, 2),
                _rule("top_p", "float", 1.0, 0.0, 1.0, 2),
                _rule("frequency_penalty", "float", 0.0, -2.0, 2.0, None),
                _rule("presence_penalty", "float", 0.0, -2.0, 2.0, None),
                _rule("max_tokens", "int", DEFAULT_MAX_TOKENS, 1.0, most, None),
            ]
        }
    )


def available(site: Site, model_type: str) -> list[Document]:
    """The models of a type on the list, without those that the plugin gives no schema of.

    These are left out without a word (``core/entities/provider_configuration.py``, 1.3.1 to 1.16.1).
    """
    return [entry for entry in model_store.models(site, model_type) if schema(site, entry) is not None]


def schema(site: Site, entry: Document) -> dict[str, Any] | None:
    """What the plugin says of a model, None when it cannot; kept for an hour since 1.12.0
    (``PLUGIN_MODEL_SCHEMA_CACHE_TTL``)."""
    model_type, name = entry["model_type"], entry["model"]
    found = model_store.current(site, model_type, name)
    values = found["values"] if found else {}
    asked = json.dumps([site.tenant_id(), model_type, name, values], sort_keys=True)
    key = f"model_schema:{hashlib.sha256(asked.encode()).hexdigest()}"
    cached = site.cache.get(key) if site.settings.since("1.12.0") else None
    if cached is None:
        try:
            cached = json.dumps(site.daemon.schema(site.tenant_id(), model_type, name, values))
        except (DaemonError, DaemonUnreachableError):
            return None
        site.cache.set(key, cached, SCHEMA_SECONDS)
    said: dict[str, Any] = json.loads(cached)
    return said


def describe(site: Site, entry: Document) -> dict[str, Any]:
    """A model on the list."""
    found = model_store.current(site, entry["model_type"], entry["model"])
    return {
        "model": entry["model"],
        "label": dict.fromkeys(("zh_Hans", "en_US"), entry["model"]),
        "model_type": entry["model_type"],
        "features": [] if entry["model_type"] == "llm" else None,
        "fetch_from": "customizable-model",
        "model_properties": schema(site, entry),
        "deprecated": False,
        "status": "active" if found else "credential-removed",
        "load_balancing_enabled": False,
        "has_invalid_load_balancing_configs": False,
    }


def _provider(site: Site) -> dict[str, Any]:
    mine = [_custom(site, entry) for entry in model_store.models(site)]
    return {
        "tenant_id": site.tenant_id(),
        "provider": provider.PROVIDER,
        "label": provider.LABEL,
        "description": provider.LABEL,
        **provider.icons(site),
        "background": None,
        "help": None,
        "supported_model_types": list(provider.MODEL_TYPES),
        "configurate_methods": ["customizable-model"],
        "provider_credential_schema": None,
        "model_credential_schema": form.schema(),
        "preferred_provider_type": "custom",
        "custom_configuration": {
            "status": "active" if mine else "no-configure",
            "current_credential_id": None,
            "current_credential_name": None,
            "available_credentials": [],
            "custom_models": mine,
            "can_added_models": [],
        },
        "system_configuration": {"enabled": False, "current_quota_type": None, "quota_configurations": []},
    }


def _custom(site: Site, entry: Document) -> dict[str, Any]:
    model_type, name = entry["model_type"], entry["model"]
    found = model_store.current(site, model_type, name)
    return {
        "model": name,
        "model_type": model_type,
        "credentials": None,
        "current_credential_id": found["id"] if found else None,
        "current_credential_name": found["name"] if found else None,
        "available_model_credentials": model_store.references(
            model_store.credentials(site, model_type, name)
        ),
        "unadded_to_model_list": False,
    }


def _rule(
    name: str, kind: str, default: float, least: float, most: float, precision: int | None
) -> dict[str, Any]:
    label = {"en_US": name.replace("_", " ").capitalize()}
    return {
        "name": name, "use_template": None, "label": label, "type": kind, "help": label, "required": False,
        "default": default, "min": least, "max": most, "precision": precision, "options": [],
    }  # fmt: skip


LISTS = (
    ("GET", "/model-providers", signed_in(providers)),
    ("GET", f"{PREFIX}/models/parameter-rules", signed_in(parameter_rules)),
    ("GET", f"{PREFIX}/models", signed_in(listed)),
    ("GET", "/models/model-types/{model_type}", signed_in(by_type)),
)
TABLE = (
    ("POST", f"{PREFIX}/models", signed_in(use_credential)),
    ("DELETE", f"{PREFIX}/models", signed_in(take_off)),
)
