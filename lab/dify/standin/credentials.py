"""A model's credentials (recording "add llm…", "credentials of…"; contract section 4)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from . import form, model_store, provider
from .call import Call, no_content, result
from .context import Site
from .daemon.failures import VALIDATION, DaemonError, DaemonUnreachableError
from .daemon_calls import validation
from .errors import ApiError, invalid_param, unknown_failure
from .payload import Field, check
from .session import signed_in

LONGEST_NAME = 30
TYPES = ("llm", "text-embedding", "rerank", "speech2text", "moderation", "tts")
MODEL = (Field("model"), Field("model_type", options=TYPES))
VALUES = Field("credentials", dict)
NAME = Field("name", required=False, longest=LONGEST_NAME)
CREDENTIAL = Field("credential_id")


def show(site: Site, call: Call) -> Response:
    """The current credential (or the one asked for), secrets masked, and which others there are."""
    given = check("ParserGetCredentials", call.query, MODEL)
    provider.require(site, call.path["provider"])
    model_type, name = given["model_type"], given["model"]
    asked = call.query.get("credential_id")
    found = (
        model_store.credential(site, model_type, name, asked)
        if asked
        else model_store.current(site, model_type, name)
    )
    return JSONResponse(
        {
            "credentials": form.masked(found["values"]) if found else {},
            "current_credential_id": found["id"] if found else None,
            "current_credential_name": found["name"] if found else None,
            "load_balancing": {"enabled": False, "configs": []},
            "available_credentials": model_store.references(model_store.credentials(site, model_type, name)),
        }
    )


def add(site: Site, call: Call) -> Response:
    """Another credential, once the endpoint has accepted it. Never a replacement."""
    given = check("ParserCreateCredential", call.json(), (*MODEL, VALUES, NAME))
    provider.require(site, call.path["provider"])
    model_type, name = given["model_type"], given["model"]
    label = given.get("name") or model_store.free_label(site, model_type, name)
    _refuse_taken(site, model_type, name, label, None)
    values = accepted(site, model_type, name, given["credentials"])
    model_store.add_credential(site, model_type, name, label, values)
    return result(status=201)


def replace(site: Site, call: Call) -> Response:
    """All values of a credential anew, once the endpoint has accepted them; it keeps its name without one."""
    given = check("ParserUpdateCredential", call.json(), (*MODEL, VALUES, CREDENTIAL, NAME))
    provider.require(site, call.path["provider"])
    model_type, name = given["model_type"], given["model"]
    row = _row(site, given)
    label = given.get("name") or row["name"]
    _refuse_taken(site, model_type, name, label, row["id"])
    values = accepted(site, model_type, name, form.revealed(given["credentials"], row["values"]))
    site.store.put("credential", row["id"], row | {"name": label, "values": values})
    return result()


def remove(site: Site, call: Call) -> Response:
    given = check("ParserDeleteCredential", call.json(), (*MODEL, CREDENTIAL))
    provider.require(site, call.path["provider"])
    model_store.remove_credential(site, given["model_type"], given["model"], _row(site, given)["id"])
    return no_content()


def switch(site: Site, call: Call) -> Response:
    """Make a credential the current one; puts a model back on the list that was taken off it."""
    given = check("ParserSwitch", call.json(), (*MODEL, CREDENTIAL))
    provider.require(site, call.path["provider"])
    entry = model_store.model(site, given["model_type"], given["model"])
    row = _row(site, given)
    if entry and entry["credential_id"] == row["id"]:
        raise invalid_param("Can't add same credential")
    model_store.put_on_list(site, given["model_type"], given["model"], row["id"])
    return result()


def validate(site: Site, call: Call) -> Response:
    """Ask the endpoint and save nothing: 200 either way, ``result`` tells."""
    given = check("ParserValidate", call.json(), (*MODEL, VALUES))
    provider.require(site, call.path["provider"])
    values = form.complete(given["model_type"], given["credentials"])
    try:
        site.daemon.validate(site.tenant_id(), given["model_type"], given["model"], values)
    except DaemonUnreachableError as error:
        raise unknown_failure() from error
    except DaemonError as failure:
        if failure.kind != VALIDATION:
            raise unknown_failure() from failure
        return JSONResponse({"result": "error", "error": failure.message})
    return JSONResponse({"result": "success", "error": None})


def provider_level(site: Site, call: Call) -> Response:
    """The provider has models of one's own only, hence no credentials for all of them."""
    name = provider.require(site, call.path["provider"])
    raise invalid_param(f"Provider {name} does not have provider_credential_schema")


def accepted(site: Site, model_type: str, name: str, given: dict[str, Any]) -> dict[str, str]:
    """The values to store, once the endpoint has taken them."""
    values = form.complete(model_type, given)
    with validation():
        site.daemon.validate(site.tenant_id(), model_type, name, values)
    return values


def _row(site: Site, given: dict[str, Any]) -> dict[str, Any]:
    row = model_store.credential(site, given["model_type"], given["model"], given["credential_id"])
    if row is None:
        raise invalid_param("Credential record not found.")
    return row


def _refuse_taken(site: Site, model_type: str, name: str, label: str, own: str | None) -> None:
    for other in model_store.credentials(site, model_type, name):
        if other["name"] == label and other["id"] != own:
            raise _taken(label, name)


def _taken(label: str, name: str) -> ApiError:
    return invalid_param(f"Model credential with name '{label}' already exists for {name}.")


PREFIX = "/model-providers/{provider:path}"
TABLE = (
    ("GET", f"{PREFIX}/models/credentials", signed_in(show)),
    ("POST", f"{PREFIX}/models/credentials", signed_in(add)),
    ("PUT", f"{PREFIX}/models/credentials", signed_in(replace)),
    ("DELETE", f"{PREFIX}/models/credentials", signed_in(remove)),
    ("POST", f"{PREFIX}/models/credentials/switch", signed_in(switch)),
    ("POST", f"{PREFIX}/models/credentials/validate", signed_in(validate)),
    ("POST", f"{PREFIX}/credentials", signed_in(provider_level)),
)
