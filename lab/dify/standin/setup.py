"""First start: setup, INIT_PASSWORD, ping, version (recording "setup…", "init…"; contract section 1)."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
import uuid
from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse, Response

from . import tokens
from .call import Call, now, result
from .context import Site
from .errors import ApiError, FieldError, early, early_invalid, error, invalid_param

EMAIL = re.compile(r"^[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(\.[\w-]+)+$")
PASSWORD = re.compile(r"^(?=.*[a-zA-Z])(?=.*\d).{8,}$")
WEAK = "Password must contain letters and numbers, and the length must be greater than 8."
LONGEST_NAME = 30
# Addresses are stored in lower case, and found by any spelling (langgenius/dify#29978).
ANY_CASE_SINCE = "1.11.3"
PLUGIN_CATEGORIES = ("tool", "model", "extension", "agent-strategy", "datasource", "trigger")
UPGRADE_SECONDS_OF_DAY = 61200


def status(site: Site, _: Call) -> Response:
    """Reads the database, so a 200 here means that the system is ready."""
    row = site.setup_row()
    if row is None:
        at = {"setup_at": None} if site.settings.since("1.12.0") else {}
        return JSONResponse({"step": "not_started", **at})
    return JSONResponse({"step": "finished", "setup_at": row["setup_at"]})


def run(site: Site, call: Call) -> Response:
    """Make the owner's account and the workspace. The input is checked before anything else."""
    wanted = _wanted(site, call)
    if site.setup_row() is not None:
        raise _done(site)
    if not _init_validated(site, call):
        raise _not_validated(site)
    account_id, tenant_id, at = str(uuid.uuid4()), str(uuid.uuid4()), now()
    account = {
        "id": account_id,
        "name": wanted["name"],
        "email": wanted["email"].lower() if site.settings.since(ANY_CASE_SINCE) else wanted["email"],
        "password": hash_password(wanted["password"]),
        "interface_language": wanted.get("language") or "en-US",
        "created_at": at,
        "last_login_at": None,
    }
    site.store.put("account", account_id, account)
    site.store.put("permission", "only", {"install_permission": "everyone", "debug_permission": "everyone"})
    for category in PLUGIN_CATEGORIES:
        # A new workspace upgrades model plugins to the latest, others for fixes only (since 1.15.0).
        strategy = "latest" if category == "model" else "fix_only"
        site.store.put("auto_upgrade", category, upgrade_policy(strategy))
    setup_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    row = {"setup_at": setup_at, "tenant_id": tenant_id, "account_id": account_id, "created_at": at}
    site.store.put("setup", "only", row)
    return result(status=201)


def upgrade_policy(strategy: str) -> dict[str, Any]:
    """A new workspace's automatic upgrades of one category."""
    return {
        "strategy_setting": strategy,
        "upgrade_time_of_day": UPGRADE_SECONDS_OF_DAY,
        "upgrade_mode": "exclude",
        "exclude_plugins": [],
        "include_plugins": [],
    }


def init_status(site: Site, call: Call) -> Response:
    """Whether INIT_PASSWORD was given in this session (or is not asked for)."""
    return JSONResponse({"status": "finished" if _init_validated(site, call) else "not_started"})


def init(site: Site, call: Call) -> Response:
    """Give INIT_PASSWORD; the answer's session cookie has to travel with the setup."""
    body = _json(site, call)
    if not isinstance(body.get("password"), str) or len(body["password"]) > LONGEST_NAME:
        raise early_invalid("payload")
    if site.setup_row() is not None:
        raise _done(site)
    right = secrets.compare_digest(body["password"].encode(), site.settings.init_password.encode())
    if right:
        response: Response = result(status=201)
    else:
        refused = _not_validated(site)
        response = JSONResponse(refused.body, refused.status)
    session = tokens.issue(site.key, {"is_init_validated": right})
    response.set_cookie("session", session, httponly=True, path="/", samesite=None)
    return response


def ping(_: Site, __: Call) -> Response:
    return JSONResponse({"result": "pong"})


def version(site: Site, call: Call) -> Response:
    """Offline, so it echoes what it was asked about: no source of the running version."""
    if "current_version" not in call.query:
        raise early_invalid("query")
    return JSONResponse(
        {
            "version": call.query["current_version"] or site.settings.version,
            "release_date": "",
            "release_notes": "",
            "can_auto_update": False,
            "features": {"can_replace_logo": False, "model_load_balancing_enabled": False},
        }
    )


def hash_password(password: str, salt: str | None = None) -> str:
    """Salt and PBKDF2 hash, in hex."""
    salt = salt or secrets.token_hex(16)
    return f"{salt}${hashlib.pbkdf2_hmac('sha256', password.encode(), salt.encode(), 10000).hex()}"


def password_fits(password: str, stored: str) -> bool:
    """Whether a password is the one behind a stored hash."""
    return secrets.compare_digest(hash_password(password, stored.partition("$")[0]), stored)


def _wanted(site: Site, call: Call) -> dict[str, Any]:
    """The input. Since 1.12.0 (another framework) nobody is told which rule it breaks."""
    body = _json(site, call)
    for name, said in _rules(body):
        if site.settings.since("1.12.0"):
            raise early_invalid("payload")
        raise FieldError(invalid_param(said).body, name, said)
    return body


def _rules(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    email, name, password = (body.get(key) for key in ("email", "name", "password"))
    for key, value in (("email", email), ("name", name), ("password", password)):
        if not isinstance(value, str):
            yield key, "Missing required parameter in the JSON body"
    if isinstance(email, str) and not EMAIL.match(email):
        yield "email", f"{email} is not a valid email."
    if isinstance(name, str) and len(name) > LONGEST_NAME:
        yield "name", f"Invalid argument: {name}. argument cannot exceed length {LONGEST_NAME}"
    if isinstance(password, str) and not PASSWORD.match(password):
        yield "password", WEAK


def _json(site: Site, call: Call) -> dict[str, Any]:
    try:
        return call.json()
    except ApiError:
        if site.settings.since("1.12.0"):
            raise early_invalid("payload") from None
        if site.settings.since("1.8.0") and not site.settings.since("1.11.0"):
            return {}
        raise


def _done(site: Site) -> ApiError:
    if site.settings.since("1.12.0"):
        return early(403, "authorization_error", "Forbidden")
    return error(
        403,
        "already_setup",
        "Dify has been successfully installed. Please refresh the page or return to the dashboard homepage.",
    )


def _not_validated(site: Site) -> ApiError:
    if site.settings.since("1.12.0"):
        return early(401, "authentication_error", "Unauthorized")
    said = (
        "Init validation has not been completed yet. Please proceed with the init validation process first."
    )
    return error(401, "not_init_validated", said)


def _init_validated(site: Site, call: Call) -> bool:
    if site.setup_row() is not None or not site.settings.init_password:
        return True
    claims = tokens.verify(site.key, call.cookies.get("session", ""))
    return bool(claims and claims.get("is_init_validated"))


TABLE = (
    ("GET", "/setup", status),
    ("POST", "/setup", run),
    ("GET", "/init", init_status),
    ("POST", "/init", init),
    ("GET", "/ping", ping),
    ("GET", "/version", version),
)
