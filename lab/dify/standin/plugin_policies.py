"""Automatic upgrades and who may install (recording "auto-upgrade…", "permission…"; contract 3.5)."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from .call import Call
from .context import Site, Table
from .payload import Field, check
from .session import signed_in
from .settings import Settings
from .setup import PLUGIN_CATEGORIES, upgrade_policy

CATEGORY = Field("category", options=PLUGIN_CATEGORIES)
FOR_ALL = "all"  # instead of a category's name
WHO = ("everyone", "admins", "noone")


def upgrades(site: Site, call: Call) -> Response:
    category = check("ParserAutoUpgradeFetch", call.query, (CATEGORY,))["category"]
    return JSONResponse({"category": category, "auto_upgrade": site.store.get("auto_upgrade", category)})


def change_upgrades(site: Site, call: Call) -> Response:
    """Replace the policy of one category; the body may hold nothing else."""
    fields = (
        CATEGORY,
        Field("auto_upgrade", dict),
        Field("auto_upgrade.strategy_setting", options=("disabled", "fix_only", "latest")),
        Field("auto_upgrade.upgrade_mode", options=("all", "partial", "exclude")),
    )
    given = check("ParserAutoUpgradeChange", call.json(), fields, closed=True)
    asked = given["auto_upgrade"]
    policy = {
        "strategy_setting": asked["strategy_setting"],
        "upgrade_time_of_day": int(asked.get("upgrade_time_of_day", 0)),
        "upgrade_mode": asked["upgrade_mode"],
        "exclude_plugins": list(asked.get("exclude_plugins", [])),
        "include_plugins": list(asked.get("include_plugins", [])),
    }
    site.store.put("auto_upgrade", given["category"], policy)
    return JSONResponse({"success": True})


def exclude(site: Site, call: Call) -> Response:
    """Take one plugin out of a category's automatic upgrades."""
    given = check("ParserExcludePlugin", call.json(), (Field("plugin_id"), CATEGORY), closed=True)
    policy = site.store.get("auto_upgrade", given["category"]) or {}
    excluded = [*policy["exclude_plugins"], given["plugin_id"]]
    site.store.put(
        "auto_upgrade", given["category"], policy | {"exclude_plugins": list(dict.fromkeys(excluded))}
    )
    return JSONResponse({"success": True})


def permission(site: Site, _: Call) -> Response:
    return JSONResponse(site.store.get("permission", "only"))


def change_permission(site: Site, call: Call) -> Response:
    fields = (Field("install_permission", options=WHO), Field("debug_permission", options=WHO))
    given = check("ParserPermissionChange", call.json(), fields)
    site.store.put("permission", "only", {field.name: given[field.name] for field in fields})
    return JSONResponse({"success": True})


def preferences(site: Site, _: Call) -> Response:
    """From 1.7.0 to 1.14: one policy for all categories, together with who may install."""
    policy = site.store.get("auto_upgrade", FOR_ALL) or upgrade_policy("fix_only")
    return JSONResponse({"permission": site.store.get("permission", "only"), "auto_upgrade": policy})


def change_preferences(site: Site, call: Call) -> Response:
    given = check(
        "ParserPreferencesChange", call.json(), (Field("permission", dict), Field("auto_upgrade", dict))
    )
    site.store.put("permission", "only", given["permission"])
    site.store.put("auto_upgrade", FOR_ALL, given["auto_upgrade"])
    return JSONResponse({"success": True})


PERMISSIONS: Table = (
    ("GET", "/plugin/permission/fetch", signed_in(permission)),
    ("POST", "/plugin/permission/change", signed_in(change_permission)),
)
BY_CATEGORY: Table = (
    ("GET", "/plugin/auto-upgrade/fetch", signed_in(upgrades)),
    ("POST", "/plugin/auto-upgrade/change", signed_in(change_upgrades)),
    ("POST", "/plugin/auto-upgrade/exclude", signed_in(exclude)),
)
PREFERENCES: Table = (
    ("GET", "/plugin/preferences/fetch", signed_in(preferences)),
    ("POST", "/plugin/preferences/change", signed_in(change_preferences)),
)


def table(settings: Settings) -> Table:
    """The routes of a version; before 1.7.0 nothing is upgraded by itself."""
    if settings.since("1.15.0"):
        return (*PERMISSIONS, *BY_CATEGORY)
    return (*PERMISSIONS, *PREFERENCES) if settings.since("1.7.0") else PERMISSIONS
