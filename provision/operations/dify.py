"""Dify's resources: read, compared, and written only where they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator

import httpx
from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, Host, OperationValueError, State, StringCommand, operation

from provision import progress
from provision.administrator import ADVICE, password
from provision.connectors.relay import http_client
from provision.dify.client import Dify, wait_until_ready
from provision.dify.errors import DifyError, LoginRefusedError
from provision.dify.resources.base import Resource
from provision.domain.settings import DifySettings, ModelRole
from provision.keeper import KeeperUnavailableError
from provision.operations.dify_containers import LAST_WORDS
from provision.operations.dify_stack import compose_dir
from provision.operations.failing import failure

Commands = Generator[StringCommand | FunctionCommand, None, None]

_clients: dict[str, Dify] = {}


def client(settings: DifySettings) -> Dify:
    """The one client of this run for the current host's Dify: it signs in once.

    Raises:
        KeeperUnavailableError: when the password cannot be read.
        DifyError: when the one that was given cannot be one.
    """
    if host.name not in _clients:
        # One spelling of the host throughout: cookies are bound to it.
        http = http_client(host, f"http://127.0.0.1:{settings.port}")
        dify = Dify(http, server=host.name)
        dify.sign_in(settings.admin_email, password())
        _clients[host.name] = dify
    dify = _clients[host.name]
    # What a dry run finds it only tells.
    dify.console.patience = settings.start_timeout if state.is_executing else 0
    return dify


def meet_again() -> None:
    """Forget the client: behind the door is another release, or another database."""
    _clients.pop(host.name, None)


@operation()
def ready(*, settings: DifySettings) -> Commands:
    """Wait until Dify answers with a database behind it.

    Args:
        settings: port, and ``start_timeout`` in seconds.
    """
    if not state.is_executing:
        host.noop("awaited when the deploy runs")
        return
    try:
        dify = client(settings)
        wait_until_ready(dify, settings.start_timeout, waiting=host.log)
        version = dify.version
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        yield StringCommand("{", LAST_WORDS, "} >&2; true", _chdir=compose_dir(settings))
        yield failure(
            "Wait for Dify", str(error), advice="The lines above are its containers and their last words"
        )
        return
    host.noop(f"Dify {version} answers")


@operation()
def resource(
    *,
    settings: DifySettings,
    make: Callable[[Dify], Resource],
    needs: Collection[ModelRole] = (),
    extra: str = "",
) -> Commands:
    """Have a resource of Dify's be as wanted.

    Args:
        settings: of the Dify host.
        make: makes the wanted resource for a client.
        needs: models without which it cannot be done; when one was not proven, Dify keeps what it has.
        extra: what this is, where the bot does without it: the run goes on when it fails, and ends with that.
    """
    if missing := [role for role in needs if role in progress.not_done]:
        host.noop(f"kept as it is: not proven: the model of {' and '.join(missing)}")
        return
    if extra in progress.not_done:
        host.noop("left: what it builds on is not done")
        return
    try:
        wanted = make(client(settings))
        difference = wanted.difference()
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        if state.is_executing:
            refused = isinstance(error, LoginRefusedError)
            if extra and not refused:
                _tell(host, extra, error)
                return
            yield failure("Ask Dify", str(error), advice=ADVICE if refused else "Put it right and run again")
            return
        if trouble := _trouble(error):
            # Not "would change" but "cannot tell".
            raise OperationValueError(str(trouble)) from None
        # A dry run: Dify, or what this builds on, is not there yet, so it would be made.
        host.log(f"would be made: {error}")
        yield FunctionCommand(_nothing, (), {})
        return
    if difference is None:
        host.noop("as wanted")
        return
    host.log(f"{wanted.title}: {difference}")
    yield FunctionCommand(_apply, (wanted, extra), {})


def _trouble(error: Exception) -> DifyError | None:
    """Why a dry run's question failed, unless what it asks for, or builds on, is only not there yet."""
    if not isinstance(error, DifyError):
        return None
    dify = _clients.get(host.name)
    if dify is None or isinstance(error, LoginRefusedError):
        return error
    return dify.trouble()


def _nothing() -> None:
    """Stands for the writes that a dry run foresees."""


def _tell(host: Host, extra: str, error: Exception) -> None:
    progress.not_done[extra] = f"{extra}: {error}"
    host.log_styled(progress.not_done[extra], fg="red", log_func=logger.error)


def _apply(state: State, host: Host, wanted: Resource, extra: str) -> bool:
    del state
    try:
        wanted.apply()
    except DifyError as error:
        if extra:
            _tell(host, extra, error)
            return True
        # Told in one line; an exception would be told as a traceback.
        host.log_styled(str(error), fg="red", log_func=logger.error)
        return False
    return True
