"""How apps are written in answers (recording "apps…", "app detail", "site-enable")."""

from __future__ import annotations

from typing import Any

from .context import Site
from .store import Document

PERMISSIONS = (
    "app.acl.preview",
    "app.acl.view_layout",
    "app.acl.test_and_run",
    "app.acl.edit",
    "app.acl.import_export_dsl",
    "app.acl.delete",
    "app.acl.release_and_version",
    "app.acl.monitor",
    "app.acl.access_config",
    "app.acl.tracing_config",
    "app.acl.log_and_annotation",
)
SITE_TEXTS = (
    "title",
    "chat_color_theme",
    "chat_color_theme_inverted",
    "icon_type",
    "icon",
    "icon_background",
)
SITE_REST = (
    "description",
    "copyright",
    "privacy_policy",
    "input_placeholder",
    "custom_disclaimer",
    "default_language",
)


def brief(app: Document, permissions: bool) -> dict[str, Any]:
    """An app without its site, as a switch answers it.

    Args:
        permissions: tell what the account may do with it; a switch tells nothing.
    """
    return {
        **{name: app[name] for name in ("id", "name", "description", "mode", "icon", "icon_background")},
        "enable_site": app["enable_site"],
        "enable_api": app["enable_api"],
        "model_config": _config(app),
        "workflow": None,
        "tracing": None,
        "use_icon_as_answer_icon": app["use_icon_as_answer_icon"],
        **dated(app),
        "access_mode": None,
        "tags": [],
        "permission_keys": list(PERMISSIONS) if permissions else [],
        "maintainer": app["created_by"],
    }


def detail(site: Site, app: Document, base: str, permissions: bool = True) -> dict[str, Any]:
    """An app with its site.

    Args:
        base: scheme and host of the request: the links' beginning where no URL is configured.
    """
    return {
        **brief(app, permissions),
        "icon_type": app["icon_type"],
        "api_base_url": f"{site.settings.service_api_url or base}/v1",
        **_limit(site, app),
        "deleted_tools": [],
        "site": _site(site, app, base),
        "bound_agent_id": None,
        "app_id": None,
        "icon_url": None,
    }


def row(app: Document, author: str) -> dict[str, Any]:
    """An app in a list."""
    config = app["config"]
    few = {"model": config["model"], "pre_prompt": config["pre_prompt"], **dated(config)} if config else None
    names = (
        "id",
        "name",
        "max_active_requests",
        "description",
        "mode",
        "icon_type",
        "icon",
        "icon_background",
    )
    return {
        **{name: app[name] for name in names},
        "model_config": few,
        "workflow": None,
        "use_icon_as_answer_icon": app["use_icon_as_answer_icon"],
        **dated(app),
        "tags": [],
        "access_mode": None,
        "create_user_name": None,
        "author_name": author,
        "has_draft_trigger": False,
        "permission_keys": list(PERMISSIONS),
        "bound_agent_id": None,
        "app_id": None,
        "is_starred": False,
        "maintainer": app["created_by"],
        "icon_url": None,
    }


def public_site(app: Document, prompt: bool) -> dict[str, Any]:
    """A site as strangers see it.

    Args:
        prompt: whether ``prompt_public`` is told, as the web API does and the service API does not.
    """
    page = app["site"]
    return {
        **{name: page[name] for name in (*SITE_TEXTS, *SITE_REST)},
        **({"prompt_public": page["prompt_public"]} if prompt else {}),
        "show_workflow_steps": page["show_workflow_steps"],
        "use_icon_as_answer_icon": page["use_icon_as_answer_icon"],
        "icon_url": None,
    }


def _limit(site: Site, app: Document) -> dict[str, Any]:
    """Parallel requests at most; before 1.7.0 only lists tell (``fields/app_fields.py``)."""
    known = site.settings.since("1.7.0")
    return {"max_active_requests": app["max_active_requests"]} if known else {}


def dated(document: Document) -> dict[str, Any]:
    """Who made a row and who changed it, and when."""
    return {name: document[name] for name in ("created_by", "created_at", "updated_by", "updated_at")}


def _config(app: Document) -> dict[str, Any] | None:
    return dict(app["config"]) if app["config"] else None


def _site(site: Site, app: Document, base: str) -> dict[str, Any]:
    page = app["site"]
    return {
        "access_token": page["code"],
        "code": page["code"],
        **{name: page[name] for name in ("title", "icon_type", "icon", "icon_background", "description")},
        **{
            name: page[name] for name in ("default_language", "chat_color_theme", "chat_color_theme_inverted")
        },
        "customize_domain": None,
        **{
            name: page[name]
            for name in ("copyright", "privacy_policy", "input_placeholder", "custom_disclaimer")
        },
        "customize_token_strategy": "not_allow",
        "prompt_public": page["prompt_public"],
        "app_base_url": site.settings.app_web_url or base,
        "show_workflow_steps": page["show_workflow_steps"],
        "use_icon_as_answer_icon": page["use_icon_as_answer_icon"],
        **dated(page),
        "icon_url": None,
    }
