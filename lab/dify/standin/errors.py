"""Dify's error answers. Shapes: recording; classes: source ``api/libs/external_api.py`` and controllers."""

from __future__ import annotations

from typing import Any

NOT_FOUND_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again.</p>\n"
)


class ApiError(Exception):
    """An answer that ends a request.

    Args:
        status: HTTP status.
        body: its JSON.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message", ""))
        self.status = status
        self.body = body


class FieldError(ApiError):
    """Input that does not fit.

    Args:
        body: as it is told since 1.11.0.
        name, said: the first field that does not fit, and what older versions say of it.
    """

    def __init__(self, body: dict[str, Any], name: str, said: str) -> None:
        super().__init__(400, body)
        self.name = name
        self.said = said


class PluginError(ApiError):
    """The daemon's own complaint; it has no ``status``."""

    def __init__(self, message: str) -> None:
        super().__init__(400, {"code": "plugin_error", "message": message})
        self.message = message


class DaemonGoneError(ApiError):
    """The daemon cannot be reached."""

    def __init__(self, message: str) -> None:
        super().__init__(400, invalid_param(message).body)


class NotTextError(ApiError):
    """A credential that is no text: an unhandled TypeError in the real one."""

    def __init__(self, message: str) -> None:
        super().__init__(500, unknown_failure().body)
        self.message = message


def error(status: int, code: str, message: str) -> ApiError:
    """The general shape: code, message, status."""
    return ApiError(status, {"code": code, "message": message, "status": status})


def invalid_param(message: str) -> ApiError:
    """A Python ValueError in the real one."""
    return error(400, "invalid_param", message)


def unauthorized(message: str) -> ApiError:
    return error(401, "unauthorized", message)


def not_setup() -> ApiError:
    return error(
        401,
        "not_setup",
        "Dify has not been initialized and installed yet. Please proceed with the initialization and "
        "installation process first.",
    )


def not_found(message: str = "The requested URL was not found on the server.") -> ApiError:
    return error(404, "not_found", message)


def unknown_failure() -> ApiError:
    """What an unhandled exception becomes."""
    return ApiError(500, {"message": "Internal Server Error", "code": "unknown", "status": 500})


def server_failure() -> ApiError:
    """What an unhandled exception becomes while a chat is answered."""
    return error(
        500,
        "internal_server_error",
        "The server encountered an internal error and was unable to complete your request. Either the server "
        "is overloaded or there is an error in the application.",
    )


def unsupported_media_type() -> ApiError:
    return error(
        415,
        "unsupported_media_type",
        "Did not attempt to load JSON data because the request Content-Type was not 'application/json'.",
    )


def early(status: int, kind: str, message: str) -> ApiError:
    """The other shape, of setup, init and version (another framework since 1.12.0)."""
    return ApiError(status, {"error": {"type": kind, "message": message, "status": status}})


def early_invalid(parameter: str) -> ApiError:
    """Input that those endpoints refuse: it does not say which rule failed."""
    message = f"Validation error for parameter '{parameter}'"
    return ApiError(
        422, {"error": {"type": "validation_error", "message": message, "status": 422, "details": message}}
    )
