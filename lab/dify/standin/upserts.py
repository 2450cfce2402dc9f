"""A model and its one credential, up to 1.7.2: written in one call, over what was there (recording 1.3.1)."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from . import form, model_store, provider
from .call import Call, no_content, result
from .context import Site
from .credentials import MODEL, PREFIX, VALUES, accepted, provider_level, validate
from .payload import Field, check
from .session import signed_in

LABEL = "only"


def show(site: Site, call: Call) -> Response:
    """The credential, secrets masked; null without one."""
    given = check("ParserGetCredentials", call.query, MODEL)
    provider.require(site, call.path["provider"])
    found = model_store.current(site, given["model_type"], given["model"])
    shown = form.masked(found["values"]) if found else None
    return JSONResponse({"credentials": shown, "load_balancing": {"enabled": False, "configs": []}})


def write(site: Site, call: Call) -> Response:
    """Make the model, or give it other values, once the endpoint has accepted them."""
    fields = (*MODEL, Field("config_from", required=False), VALUES)
    given = call.json()
    if given.get("config_from") == "predefined-model":  # only switches load balancing
        check("ParserPostModels", given, fields[:-1])
        return result()
    check("ParserPostModels", given, fields[:-1])
    provider.require(site, call.path["provider"])
    model_type, name = given["model_type"], given["model"]
    stored = model_store.current(site, model_type, name)
    values = given["credentials"]
    if stored:
        values = form.revealed(values, stored["values"])
    values = accepted(site, model_type, name, values)
    if stored:
        site.store.put("credential", stored["id"], stored | {"values": values})
    else:
        model_store.add_credential(site, model_type, name, LABEL, values)
    return result()


def remove(site: Site, call: Call) -> Response:
    """The model and its credential; 204 whether or not there was one."""
    given = check("ParserDeleteModels", call.json(), MODEL)
    provider.require(site, call.path["provider"])
    found = model_store.current(site, given["model_type"], given["model"])
    if found:
        model_store.remove_credential(site, given["model_type"], given["model"], found["id"])
    return no_content()


TABLE = (
    ("GET", f"{PREFIX}/models/credentials", signed_in(show)),
    ("POST", f"{PREFIX}/models/credentials/validate", signed_in(validate)),
    ("POST", f"{PREFIX}/models", signed_in(write)),
    ("DELETE", f"{PREFIX}/models", signed_in(remove)),
    ("POST", f"{PREFIX}/credentials", signed_in(provider_level)),
)
