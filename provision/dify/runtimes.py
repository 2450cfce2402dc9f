"""Waiting for plugins that the plugin daemon, after a start of its own, launches in the background."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TypeVar

from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.reply import Reply
from provision.dify.transport import Transport

T = TypeVar("T")
# Type and name of each.
Models = Collection[tuple[str, str]]

# How the daemon says that a plugin does not run (yet).
_MISSING = ("no available node", "plugin runtime not found")
_PAUSE = 5.0
PATIENCE = 180.0
# Seconds for an answer that says nothing, so that it may have any other reason.
_UNEXPLAINED_PATIENCE = 60.0
# How Dify refuses a model that is not on its list, for a chatbot and for a default.
_UNLISTED = re.compile(r"must be in the specified model list|Model .* does not exist\.")
_STOPPED_ADVICE = "see docker compose logs plugin_daemon, and run again"


class PluginStoppedError(DifyError):
    """A plugin does not run, and with it goes all that Dify would know of its models."""


def is_missing(error: DifyError) -> bool:
    """Whether something failed for want of a running plugin; it changed nothing."""
    return any(text in error.problem for text in _MISSING)


def when_running(
    transport: Transport,
    attempt: Callable[[], T],
    *,
    starting: Callable[[DifyError], bool] = is_missing,
    patience: float = PATIENCE,
) -> T:
    """Repeat an attempt until the plugin that it needs runs.

    Args:
        starting: whether a failure looks like a plugin that is being started.
        patience: seconds.

    Raises:
        DifyError: another failure, or this one after all that time.
    """
    deadline = transport.clock() + patience
    while True:
        try:
            return attempt()
        except DifyError as error:
            if not starting(error) or transport.clock() >= deadline:
                raise
        transport.sleep(_PAUSE)


def when_accepted(transport: Transport, attempt: Callable[[], T]) -> T:
    """Repeat a write that Dify asks a plugin about, until the plugin runs.

    Dify mostly keeps to itself that it does not: the daemon's words become
    ``PluginDaemonInternalServerError`` (``core/plugin/impl/base.py``), which nobody catches who saves a
    model's credential (``controllers/console/workspace/models.py``), up to 1.6.0 a tool's, and up to 1.16.0
    makes an app (``services/app_service.py``). So the answer is "500 unknown" (``libs/external_api.py``).

    Args:
        attempt: reads anew what there is, and writes only what is missing: after such an answer something may
            have been written.

    Raises:
        DifyError: see `when_running`.
    """
    return when_running(
        transport,
        lambda: when_running(transport, attempt),
        starting=_is_unexplained,
        patience=_UNEXPLAINED_PATIENCE,
    )


def _is_unexplained(error: DifyError) -> bool:
    return error.status == 500 and error.code == "unknown"


def when_listed(dify: Dify, step: str, provider: str, models: Models, attempt: Callable[[], Reply]) -> Reply:
    """Send a write again that Dify refused for want of one of these models, once its list has them.

    Args:
        provider: of the models, in three parts.

    Raises:
        DifyError: another failure; see also `wait_until_listed`.
    """
    try:
        return attempt()
    except DifyError as error:
        if not error.is_bad_request or not _UNLISTED.search(error.problem):
            raise
    wait_until_listed(dify, step, provider, models)
    return attempt()


def wait_until_listed(
    dify: Dify, step: str, provider: str, models: Models, patience: float = PATIENCE
) -> None:
    """Wait until Dify's list of models has those of these that are connected.

    Args:
        patience: seconds.

    Raises:
        PluginStoppedError: it has not after all that time.
    """
    deadline = dify.transport.clock() + patience
    while unlisted := dify.providers.unlisted(provider, models):
        if dify.transport.clock() >= deadline:
            names = ", ".join(f"{model} ({model_type})" for model_type, model in unlisted)
            problem = f"the plugin of {provider} does not run: Dify has a credential of {names} and no model"
            raise PluginStoppedError(step, problem, _STOPPED_ADVICE)
        dify.transport.sleep(_PAUSE)
