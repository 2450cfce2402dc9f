"""A model and its one credential, up to 1.7.2: written in one call, over what was there (recording 1.3.1)."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from . import form, model_store, provider
from .call import Call, no_content, result
from .context import Site
from .credentials import MODEL, PREFIX, VALUES, accepted, provider_level, validate
from .errors import invalid_param, unknown_failure
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
    given = check("ParserPostModels", call.json(), (*MODEL, Field("config_from", required=False)))
    if given.get("config_from") == "predefined-model":  # only switches load balancing
        return result()
    provider.require(site, call.path["provider"])
    model_type, name = given["model_type"], given["model"]
    stored = model_store.current(site, model_type, name)
    values = given.get("credentials")
    if not isinstance(values, dict):
        raise unknown_failure()
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


def for_all_models(site: Site, call: Call) -> Response:
    """A provider's own credentials; the route takes all that stands behind the provider for its name."""
    check("ParserProvider", call.json(), (VALUES,))
    wanted = call.path["provider"]
    if wanted.count("/") > provider.PROVIDER.count("/"):
        raise invalid_param(f"Provider {wanted} does not exist.")
    return provider_level(site, call)


TABLE = (
    ("GET", f"{PREFIX}/models/credentials", signed_in(show)),
    ("POST", f"{PREFIX}/models/credentials/validate", signed_in(validate)),
    ("POST", f"{PREFIX}/models", signed_in(write)),
    ("DELETE", f"{PREFIX}/models", signed_in(remove)),
    ("POST", PREFIX, signed_in(for_all_models)),
)
