"""Refusals as older versions word them (recordings 1.3.1, 1.9.2, 1.12.1; matrix)."""

from __future__ import annotations

import re

from .errors import (
    ApiError,
    DaemonGoneError,
    FieldError,
    NotTextError,
    PluginError,
    invalid_param,
    unknown_failure,
)
from .settings import Settings

UNHANDLED = unknown_failure().body


def spoken(settings: Settings, refused: ApiError, method: str) -> ApiError:
    """A refusal of 1.16.1 in the words of the version."""
    if isinstance(refused, FieldError) and not settings.since("1.11.0"):
        refused = _field(settings, refused, method)
    elif isinstance(refused, PluginError) and not settings.since("1.15.0"):
        refused = _plugin(settings, refused)
    elif isinstance(refused, DaemonGoneError) and not settings.since("1.7.2"):
        refused = unknown_failure()
    elif isinstance(refused, NotTextError) and not settings.since("1.13.0"):
        refused = invalid_param(refused.message)
    if refused.body == UNHANDLED and not settings.since("1.8.0"):
        return ApiError(500, {key: value for key, value in UNHANDLED.items() if key != "status"})
    return refused


def _field(settings: Settings, refused: FieldError, method: str) -> ApiError:
    said = refused.said.replace("JSON body", "query string") if method == "GET" else refused.said
    if not settings.since("1.8.0"):
        said = re.sub(r"The value '(.*)' is not a valid choice for .*", r"\1 is not a valid choice", said)
    if settings.since("1.8.0"):  # flask-restx
        return ApiError(400, {"errors": {refused.name: said}, "message": "Input payload validation failed"})
    return ApiError(400, {"code": "invalid_param", "message": said, "params": refused.name})


def _plugin(settings: Settings, refused: PluginError) -> ApiError:
    if "package not found" in refused.message and not settings.since("1.9.2"):
        return unknown_failure()
    return invalid_param(f"PluginDaemonBadRequestError: {refused.message}")
