"""Plugins: upload, install, upgrade, tasks, lists (recording; contract section 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from . import marketplace, provider
from .call import Call
from .context import Site, Table
from .daemon.failures import DaemonError
from .daemon.packages import split
from .daemon_calls import management
from .errors import ApiError, invalid_param, unknown_failure
from .payload import Field, check
from .session import signed_in
from .settings import Settings

IDENTIFIERS = (Field("plugin_unique_identifiers", list),)
PLUGIN_IDS = (Field("plugin_ids", list),)
PAGE = (Field("page", int, required=False), Field("page_size", int, required=False, most=256))
UPGRADE = (Field("original_plugin_unique_identifier"), Field("new_plugin_unique_identifier"))
CATEGORIES = ("tool", "model", "extension", "agent-strategy", "datasource", "trigger")


def upload(site: Site, call: Call) -> Response:
    """Take in a package file, form field ``pkg``."""
    if "pkg" not in call.files:
        raise invalid_param("File is required.")
    with management():
        return JSONResponse(site.daemon.upload(site.tenant_id(), call.files["pkg"]))


def install_package(site: Site, call: Call) -> Response:
    """Install an uploaded package."""
    identifiers = _identifiers(call)
    with management():
        for identifier in identifiers:
            site.daemon.manifest(site.tenant_id(), identifier)
        return _installing(site, identifiers, "package")


def install_marketplace(site: Site, call: Call) -> Response:
    """Install a package that the marketplace offers."""
    identifiers = _identifiers(call)
    with management():
        for identifier in identifiers:
            _fetch(site, identifier)
        return _installing(site, identifiers, "marketplace")


def upgrade_marketplace(site: Site, call: Call) -> Response:
    """Replace an installed version; one that came from a package file cannot be replaced (500)."""
    given = check("ParserMarketplaceUpgrade", call.json(), UPGRADE)
    old, new = given["original_plugin_unique_identifier"], given["new_plugin_unique_identifier"]
    if old == new:
        raise invalid_param("you should not upgrade plugin with the same plugin")
    with management():
        _fetch(site, new)
        begun = site.daemon.upgrade(site.tenant_id(), old, new, "marketplace")
    provider.forget(site)
    return _begun(site, begun)


def upgrade_github(_: Site, __: Call) -> Response:
    """GitHub is out of the lab's reach; recorded as a 500 there, too."""
    raise unknown_failure()


def tasks(site: Site, call: Call) -> Response:
    required = not site.settings.since("1.11.0")
    check("ParserTasks", call.query, [replace(field, required=required) for field in PAGE])
    with management():
        return JSONResponse({"tasks": site.daemon.tasks(site.tenant_id())})


def task(site: Site, call: Call) -> Response:
    """One task. Reading a finished one is what drops the cached list of providers."""
    with management():
        found = site.daemon.task(site.tenant_id(), call.path["task_id"])
    if found["status"] in {"success", "failed"}:
        provider.forget(site)
    return JSONResponse({"task": found})


def delete_task(site: Site, call: Call) -> Response:
    with management():
        return JSONResponse({"success": site.daemon.forget_task(site.tenant_id(), call.path["task_id"])})


def listed(site: Site, call: Call) -> Response:
    """Installed plugins, a page of them."""
    given = check("ParserList", call.query, PAGE)
    page, size = given.get("page", 1), given.get("page_size", 256)
    with management():
        found = [_named(plugin) for plugin in site.daemon.listed(site.tenant_id())]
    return JSONResponse({"plugins": found[(page - 1) * size : page * size], "total": len(found)})


def by_category(site: Site, call: Call) -> Response:
    """Installed plugins of one category; the lab knows model plugins only."""
    category = call.path["category"]
    if category not in CATEGORIES:
        raise ApiError(400, {"code": "invalid_param", "message": "invalid plugin category"})
    with management():
        found = (
            [_named(plugin) for plugin in site.daemon.listed(site.tenant_id())] if category == "model" else []
        )
    return JSONResponse({"plugins": found, "builtin_tools": [], "has_more": False})


def by_ids(site: Site, call: Call) -> Response:
    """Which of these plugins are installed: the cheapest question."""
    wanted = set(check("ParserLatest", call.json(), PLUGIN_IDS)["plugin_ids"])
    with management():
        found = site.daemon.listed(site.tenant_id())
    return JSONResponse({"plugins": [plugin for plugin in found if plugin["plugin_id"] in wanted]})


def latest_versions(site: Site, call: Call) -> Response:
    wanted = check("ParserLatest", call.json(), PLUGIN_IDS)["plugin_ids"]
    return JSONResponse({"versions": marketplace.latest(site.settings, wanted)})


def manifest(site: Site, call: Call) -> Response:
    identifier = check("ParserPluginIdentifierQuery", call.query, (Field("plugin_unique_identifier"),))
    with management():
        found = site.daemon.manifest(site.tenant_id(), identifier["plugin_unique_identifier"])
    return JSONResponse({"manifest": found})


def marketplace_manifest(site: Site, call: Call) -> Response:
    given = check("ParserPluginIdentifierQuery", call.query, (Field("plugin_unique_identifier"),))
    with management():
        return JSONResponse({"manifest": _fetch(site, given["plugin_unique_identifier"])})


def uninstall(site: Site, call: Call) -> Response:
    """Remove an installation; model credentials stay (recording "llm credentials after reinstall")."""
    given = check("ParserUninstall", call.json(), (Field("plugin_installation_id"),))
    if not site.settings.since("1.15.0"):
        with management():
            there = [plugin["id"] for plugin in site.daemon.listed(site.tenant_id())]
        if given["plugin_installation_id"] not in there:
            raise invalid_param("PluginNotFoundError: plugin not found")
    with management():
        done = site.daemon.uninstall(site.tenant_id(), given["plugin_installation_id"])
    provider.forget(site)
    return JSONResponse({"success": done})


def _identifiers(call: Call) -> list[str]:
    found: list[str] = check("ParserPluginIdentifiers", call.json(), IDENTIFIERS)["plugin_unique_identifiers"]
    for identifier in found:
        try:
            split(identifier)
        except ValueError as error:
            raise invalid_param(str(error)) from None
    return found


def _fetch(site: Site, identifier: str) -> dict[str, Any]:
    """A package's declaration: the daemon's own if it has one, otherwise from the marketplace."""
    try:
        return site.daemon.manifest(site.tenant_id(), identifier)
    except DaemonError:
        marketplace.require(site.settings, identifier)
        return site.daemon.accept(site.tenant_id(), identifier)


def _installing(site: Site, identifiers: list[str], source: str) -> Response:
    begun = site.daemon.install(site.tenant_id(), identifiers, source)
    provider.forget(site)
    if begun["all_installed"] and not site.settings.since("1.11.0"):
        raise invalid_param(
            "PluginDaemonBadRequestError: plugin already installed\nfailed on plugin installation"
        )
    return _begun(site, begun)


def _begun(site: Site, begun: dict[str, Any]) -> Response:
    return JSONResponse({**begun, **({"task": None} if site.settings.since("1.15.0") else {})})


def _named(plugin: dict[str, Any]) -> dict[str, Any]:
    return {**plugin, "name": plugin["declaration"]["name"], "installation_id": plugin["id"]}


TABLE: Table = (
    ("POST", "/plugin/upload/pkg", signed_in(upload)),
    ("POST", "/plugin/install/pkg", signed_in(install_package)),
    ("POST", "/plugin/install/marketplace", signed_in(install_marketplace)),
    ("POST", "/plugin/upgrade/marketplace", signed_in(upgrade_marketplace)),
    ("POST", "/plugin/upgrade/github", signed_in(upgrade_github)),
    ("GET", "/plugin/tasks", signed_in(tasks)),
    ("GET", "/plugin/tasks/{task_id}", signed_in(task)),
    ("POST", "/plugin/tasks/{task_id}/delete", signed_in(delete_task)),
    ("GET", "/plugin/list", signed_in(listed)),
    ("POST", "/plugin/list/installations/ids", signed_in(by_ids)),
    ("POST", "/plugin/list/latest-versions", signed_in(latest_versions)),
    ("GET", "/plugin/fetch-manifest", signed_in(manifest)),
    ("GET", "/plugin/marketplace/pkg", signed_in(marketplace_manifest)),
    ("POST", "/plugin/uninstall", signed_in(uninstall)),
)
BY_CATEGORY: Table = (("GET", "/plugin/{category}/list", signed_in(by_category)),)


def table(settings: Settings) -> Table:
    """The routes of a version (``controllers/console/workspace/plugin.py``, tags 1.14.2 and 1.15.0)."""
    return (*TABLE, *BY_CATEGORY) if settings.since("1.15.0") else TABLE
