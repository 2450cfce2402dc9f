"""The account and its workspace (recording "profile", "workspaces/current", "features")."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from .call import Call
from .context import Site, Table
from .session import signed_in
from .settings import Settings

# Community edition, no billing: the limits are shown and not enforced.
FEATURES = {
    "billing": {"enabled": False, "subscription": {"plan": "sandbox", "interval": ""}},
    "education": {"enabled": False, "activated": False},
    "members": {"size": 0, "limit": 1},
    "apps": {"size": 0, "limit": 10},
    "knowledge_rate_limit": 10,
    "annotation_quota_limit": {"size": 0, "limit": 10},
    "documents_upload_quota": {"size": 0, "limit": 50},
    "docs_processing": "standard",
    "can_replace_logo": False,
    "model_load_balancing_enabled": False,
    "dataset_operator_enabled": False,
    "webapp_copyright_enabled": False,
    "workspace_members": {"enabled": False, "size": 0, "limit": 0},
    "is_allow_transfer_workspace": True,
    "trigger_event": {"usage": 0, "limit": 3000, "reset_date": 0},
    "api_rate_limit": {"usage": 0, "limit": 5000, "reset_date": 0},
    "human_input_email_delivery_enabled": True,
    "knowledge_pipeline": {"publish_enabled": False},
    "next_credit_reset_date": 0,
}


def profile(_: Site, call: Call) -> Response:
    account = call.account
    return JSONResponse(
        {
            "avatar": None,
            "id": account["id"],
            "name": account["name"],
            "email": account["email"],
            "is_password_set": True,
            "interface_language": account["interface_language"],
            "interface_theme": "light",
            "timezone": "America/New_York",
            "last_login_at": account["last_login_at"],
            "last_login_ip": account.get("last_login_ip"),
            "created_at": account["created_at"],
            "avatar_url": None,
        }
    )


def current(site: Site, call: Call) -> Response:
    """The workspace; a POST that reads, since 1.10.1."""
    row = site.setup_row() or {}
    empty = (
        "in_trial",
        "trial_end_reason",
        "custom_config",
        "trial_credits",
        "trial_credits_used",
        "trial_credits_exhausted_at",
        "next_credit_reset_date",
    )
    return JSONResponse(
        {
            "id": row["tenant_id"],
            "name": f"{call.account['name']}'s Workspace",
            "plan": None,
            "status": "normal",
            "created_at": row["created_at"],
            "role": "owner",
            **dict.fromkeys(empty),
        }
    )


def listed(site: Site, call: Call) -> Response:
    row = site.setup_row() or {}
    workspace = {
        "id": row["tenant_id"],
        "name": f"{call.account['name']}'s Workspace",
        "plan": "sandbox",
        "status": "normal",
        "created_at": row["created_at"],
        "last_opened_at": row["created_at"],
        "current": True,
    }
    return JSONResponse({"workspaces": [workspace]})


def features(_: Site, __: Call) -> Response:
    return JSONResponse(FEATURES)


def table(settings: Settings) -> Table:
    """The routes of a version."""
    return (
        ("GET", "/account/profile", signed_in(profile)),
        ("POST" if settings.since("1.10.1") else "GET", "/workspaces/current", signed_in(current)),
        ("GET", "/workspaces", signed_in(listed)),
        ("GET", "/features", signed_in(features)),
    )
