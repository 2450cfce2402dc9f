"""Credentials of a plugin's tool (contract section 9; ``services/tools/builtin_tools_manage_service.py``).

Nothing of this is recorded: paths, bodies and masks are read from Dify's source.
"""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from .call import Call, result
from .context import Site, Table
from .daemon.failures import INTERNAL, DaemonError
from .daemon_calls import management, validation
from .errors import invalid_param
from .payload import Field, check
from .session import signed_in
from .settings import Settings
from .store import Document

PROVIDER = "langgenius/stablediffusion/stablediffusion"
MASKED, FORM = ("base_url",), ("base_url", "model")
LONGEST_NAME = 30
PREFIX = f"/tool-provider/builtin/{PROVIDER}"
NAME = Field("name", required=False, longest=LONGEST_NAME)


def listed(site: Site, _: Call) -> Response:
    _demand_plugin(site)
    return JSONResponse([_shown(each) for each in _all(site)])


def add(site: Site, call: Call) -> Response:
    """Another credential, once the service has accepted it. The first one is the default."""
    given = check("BuiltinToolAddPayload", call.json(), (Field("credentials", dict), Field("type"), NAME))
    _demand_plugin(site)
    name = given.get("name") or f"API KEY {len(_all(site)) + 1}"
    _demand_free(site, name)
    row = {
        "id": str(uuid.uuid4()),
        "name": name,
        "credentials": _accepted(site, given["credentials"]),
        "is_default": not _all(site),
    }
    site.store.put("tool_credential", row["id"], row)
    return result()


def update(site: Site, call: Call) -> Response:
    fields = (Field("credential_id"), Field("credentials", dict, required=False), NAME)
    given = check("BuiltinToolUpdatePayload", call.json(), fields)
    row = _row(site, given["credential_id"])
    if given.get("credentials"):
        row["credentials"] = _accepted(site, _kept(row["credentials"], given["credentials"]))
    if given.get("name") and given["name"] != row["name"]:
        _demand_free(site, given["name"])
        row["name"] = given["name"]
    site.store.put("tool_credential", row["id"], row)
    return result()


def prefer(site: Site, call: Call) -> Response:
    chosen = _row(site, check("BuiltinToolDefaultPayload", call.json(), (Field("id"),))["id"])
    for row in _all(site):
        site.store.put("tool_credential", row["id"], row | {"is_default": row["id"] == chosen["id"]})
    return result()


def remove(site: Site, call: Call) -> Response:
    given = check("BuiltinToolDeletePayload", call.json(), (Field("credential_id"),))
    site.store.delete("tool_credential", _row(site, given["credential_id"])["id"])
    return result()


def _all(site: Site) -> list[Document]:
    return site.store.all("tool_credential")


def _row(site: Site, credential_id: str) -> Document:
    found = site.store.get("tool_credential", credential_id)
    if found is None:
        raise invalid_param(f"you have not added provider {PROVIDER}")
    return found


def _demand_free(site: Site, name: str) -> None:
    if any(each["name"] == name for each in _all(site)):
        raise invalid_param(f"the credential name '{name}' is already used")


def _demand_plugin(site: Site) -> None:
    with management():
        there = site.daemon.providers(site.tenant_id())
    if PROVIDER.rpartition("/")[0] not in there:
        raise invalid_param(f"plugin provider {PROVIDER} not found")


def _accepted(site: Site, given: dict[str, Any]) -> dict[str, str]:
    values = {name: str(given.get(name) or "") for name in FORM}
    with validation():
        try:
            site.daemon.validate_tool(site.tenant_id(), values)
        except DaemonError as failure:
            # Since 1.7.0 whatever happens is told; before only what the tool itself says.
            if failure.kind == INTERNAL and site.settings.since("1.7.0"):
                raise invalid_param(f"{failure.kind}: {failure.message}") from failure
            raise
    return values


def _kept(stored: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """What is given; a masked value that is sent back keeps the stored one."""
    masked = _masked(stored)
    return {
        name: stored[name] if name in masked and value == masked[name] else value
        for name, value in given.items()
    }


def _masked(values: dict[str, str]) -> dict[str, str]:
    return {name: _cover(value) if name in MASKED else value for name, value in values.items()}


def _cover(value: str) -> str:
    return "*" * len(value) if len(value) <= 6 else f"{value[:2]}{'*' * (len(value) - 4)}{value[-2:]}"


def _shown(row: Document) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "provider": PROVIDER,
        "credential_type": "api-key",
        "is_default": row["is_default"],
        "credentials": _masked(row["credentials"]),
    }


def only(site: Site, _: Call) -> Response:
    """The one form, empty when there is none."""
    return JSONResponse(next((_masked(each["credentials"]) for each in _all(site)), {}))


def upsert(site: Site, call: Call) -> Response:
    """Add or overwrite the one form, once the service has accepted it."""
    given = check("BuiltinToolUpdatePayload", call.json(), (Field("credentials", dict),))["credentials"]
    _demand_plugin(site)
    row = next(iter(_all(site)), {"id": str(uuid.uuid4()), "name": "", "is_default": True})
    row["credentials"] = _accepted(site, _kept(row.get("credentials") or {}, given))
    site.store.put("tool_credential", row["id"], row)
    return result()


def remove_only(site: Site, _: Call) -> Response:
    row = next(iter(_all(site)), None)
    if row is None:
        raise invalid_param(f"you have not added provider {PROVIDER}")
    site.store.delete("tool_credential", row["id"])
    return result()


NAMED: Table = (
    ("GET", f"{PREFIX}/credentials", signed_in(listed)),
    ("POST", f"{PREFIX}/add", signed_in(add)),
    ("POST", f"{PREFIX}/update", signed_in(update)),
    ("POST", f"{PREFIX}/default-credential", signed_in(prefer)),
    ("POST", f"{PREFIX}/delete", signed_in(remove)),
)
ONE: Table = (
    ("GET", f"{PREFIX}/credentials", signed_in(only)),
    ("POST", f"{PREFIX}/update", signed_in(upsert)),
    ("POST", f"{PREFIX}/delete", signed_in(remove_only)),
)


def table(settings: Settings) -> Table:
    """The routes of a version (tags 1.3.1, 1.4.0 and 1.7.0)."""
    return NAMED if settings.since("1.7.0") else ONE
