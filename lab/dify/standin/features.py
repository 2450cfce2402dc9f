"""What the system can do, told to everybody (recording "system-features"); never a sign of readiness."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from .call import Call
from .context import Site, Table
from .session import signed_in
from .settings import Settings

DSL_VERSIONS = (("1.16.0", "0.7.0"), ("1.15.0", "0.6.0"))


def system_features(settings: Settings) -> dict[str, Any]:
    """The community edition's answer; it does not touch the database."""
    return {
        "deployment_edition": "COMMUNITY",
        "enable_app_deploy": False,
        "sso_enforced_for_signin": False,
        "sso_enforced_for_signin_protocol": "",
        "enable_marketplace": settings.marketplace_enabled,
        "enable_email_code_login": False,
        "enable_email_password_login": True,
        "enable_social_oauth_login": False,
        "enable_collaboration_mode": settings.collaboration,
        "is_allow_register": False,
        "is_email_setup": False,
        "license": {"status": "none"},
        "branding": {
            "enabled": False,
            "application_title": "",
            "login_page_logo": "",
            "workspace_logo": "",
            "favicon": "",
        },
        "webapp_auth": {
            "enabled": False,
            "allow_sso": False,
            "sso_config": {"protocol": ""},
            "allow_email_code_login": False,
            "allow_email_password_login": False,
            "allow_public_access": True,
        },
        "plugin_installation_permission": {
            "plugin_installation_scope": "all",
            "restrict_to_marketplace_only": False,
        },
        "enable_change_email": True,
        "enable_creators_platform": True,
        "enable_explore_banner": False,
        "enable_learn_app": settings.learn_app,
        "enable_step_by_step_tour": False,
        "rbac_enabled": False,
        "knowledge_fs_enabled": False,
    }


def shown(site: Site, _: Call) -> Response:
    return JSONResponse(system_features(site.settings))


def licence(_: Site, __: Call) -> Response:
    unlimited = {"enabled": False, "size": 0, "limit": 0}
    return JSONResponse({"status": "none", "expired_at": "", "workspaces": unlimited, "seats": unlimited})


def dsl_version(site: Site, _: Call) -> Response:
    """Of the apps that it exports (source: ``app_dsl_service.py``, ``constants/dsl_version.py``)."""
    found = next(dsl for since, dsl in DSL_VERSIONS if site.settings.since(since))
    return JSONResponse({"app_dsl_version": found})


def table(settings: Settings) -> Table:
    """The routes of a version (``controllers/console``, tags 1.14.2, 1.15.0, 1.16.0 and 1.16.1)."""
    since: tuple[tuple[str, Table], ...] = (
        ("1.3.1", (("GET", "/system-features", shown),)),
        ("1.15.0", (("GET", "/app-dsl-version", dsl_version),)),
        ("1.16.1", (("GET", "/system-features/license", signed_in(licence)),)),
    )
    return [route for version, routes in since if settings.since(version) for route in routes]
