"""The workspace's default models (recording "default-model…"; contract section 5)."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from . import model_store, models, provider
from .call import Call, result
from .context import Site
from .credentials import TYPES
from .daemon.failures import DaemonError, DaemonUnreachableError
from .errors import invalid_param
from .payload import Field, check
from .session import signed_in
from .store import Document


def show(site: Site, call: Call) -> Response:
    """A type's default. When nobody chose one, the first model of the type becomes it, here and now.

    Without the list of providers (daemon down, nothing cached) it says null, as if none were set.
    """
    model_type = check("ParserGetDefault", call.query, (Field("model_type", options=TYPES),))["model_type"]
    found = effective(site, model_type)
    if found is None:
        return JSONResponse({"data": None})
    shown = {"model": found["model"], "model_type": model_type, "provider": provider.summary(site)}
    return JSONResponse({"data": shown})


def effective(site: Site, model_type: str) -> Document | None:
    """The default that counts now; see `show`."""
    try:
        if not provider.installed(site):
            return None
    except (DaemonUnreachableError, DaemonError):
        return None
    stored = site.store.get("default_model", model_type)
    if stored is not None and model_store.is_found(site, stored):
        return stored
    listed = models.available(site, model_type)
    return choose(site, model_type, listed[0]["model"], provider.PROVIDER) if listed else None


def choose(site: Site, model_type: str, model: str, of: str) -> Document:
    """Store a type's default: the model, and the provider that it is of."""
    record = {"model": model, "model_type": model_type, "provider": of, **model_store.mark(site)}
    site.store.put("default_model", model_type, record)
    return record


def change(site: Site, call: Call) -> Response:
    """Set defaults one after the other: one that fails leaves those before it in place."""
    given = check("ParserPostDefault", call.json(), (Field("model_settings", list),))
    for setting in given["model_settings"]:
        check("Inner", setting, (Field("model_type", options=TYPES),))
        if not setting.get("provider"):
            continue
        if "/" not in setting["provider"] and not site.settings.since("1.9.0"):
            raise invalid_param(f"Provider {setting['provider']} does not exist.")
        name = provider.require(site, setting["provider"])
        listed = models.available(site, setting["model_type"])
        if not any(each["model"] == setting.get("model") for each in listed):
            raise invalid_param(f"Model {setting.get('model')} does not exist.")
        choose(site, setting["model_type"], setting["model"], name)
    return result()


TABLE = (
    ("GET", "/default-model", signed_in(show)),
    ("POST", "/default-model", signed_in(change)),
)
