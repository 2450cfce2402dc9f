"""API keys of the bot: made, revoked, kept in root-only files. None is ever printed."""

from __future__ import annotations

from collections.abc import Callable, Generator

import httpx
from pyinfra import host, logger, state
from pyinfra.api import (
    FileUploadCommand,
    FunctionCommand,
    Host,
    OperationValueError,
    QuoteString,
    State,
    StringCommand,
    operation,
)
from pyinfra.facts.files import FindFiles
from pyinfra.operations import files

from provision.dify.apps import App, AppKey
from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.domain.app_keys import named, short, table
from provision.domain.deployment import Deployment
from provision.domain.secrets import ETC
from provision.domain.settings import DifySettings
from provision.keeper import KeeperUnavailableError
from provision.operations.dify import client
from provision.operations.failing import failure
from provision.operations.handover import API_KEY_FILE, HANDOVER_FILE, hand_over, read_command
from provision.operations.secrets import secret_file

# One file a key, named by the beginning of its id.
FOLDER = f"{ETC}/api-keys"

Commands = Generator[StringCommand | FunctionCommand | FileUploadCommand, None, None]
_UNAVAILABLE = (DifyError, KeeperUnavailableError, httpx.HTTPError)


@operation()
def added(*, settings: DifySettings) -> Commands:
    """Make another API key for the bot, each time that this is asked for.

    Args:
        settings: the bot, and Dify's port.
    """
    try:
        dify, app, _ = _bot(settings)
    except _UNAVAILABLE as error:
        yield failure("Make an API key", str(error), advice="Run deploy.py first")
        return
    yield FunctionCommand(_add, (dify, app), {})


@operation()
def revoked(*, settings: DifySettings, name_of_key: str) -> Commands:
    """Take an API key back: what uses it is refused from then on.

    Args:
        settings: the bot, and Dify's port.
        name_of_key: the beginning of its id, as the list shows it.
    """
    try:
        dify, app, keys = _bot(settings)
        index = named(keys, name_of_key)
    except _UNAVAILABLE as error:
        yield failure("Revoke an API key", str(error), advice="Run deploy.py first")
        return
    except ValueError as error:
        raise OperationValueError(str(error)) from None
    if index is None:
        host.noop(f"there is no key {name_of_key} (any more)")
        return
    yield FunctionCommand(_revoke, (dify, app, keys[index]), {})


@operation()
def kept(*, settings: DifySettings) -> Commands:
    """Have a root-only file for each API key of the bot, and none for keys that were revoked.

    Args:
        settings: the bot, and Dify's port.
    """
    try:
        keys = _bot(settings)[2]
    except _UNAVAILABLE as error:
        yield failure("Read the API keys", str(error), advice="Run deploy.py first")
        return
    wanted = {f"{FOLDER}/{short(key)}": key.token for key in keys}
    gone = set(host.get_fact(FindFiles, path=FOLDER) or ()) - wanted.keys()
    yield from files.directory._inner(path=FOLDER, mode="700", user="root", group="root")
    for path, token in wanted.items():
        yield from secret_file._inner(content=f"{token}\n", path=path)
    for path in sorted(gone):
        yield StringCommand("rm", "-f", QuoteString(path))


@operation()
def handed_over(*, deployment: Deployment) -> Commands:
    """Hand over the oldest key; where none is left, nothing that holds one stays.

    Args:
        deployment: the bot and Dify's address.
    """
    bot = deployment.dify.bot.name
    try:
        keys = _bot(deployment.dify)[2]
    except _UNAVAILABLE as error:
        yield failure("Read the API keys", str(error), advice="Run deploy.py first")
        return
    if keys:
        yield from hand_over._inner(deployment=deployment)
        return
    for path in (API_KEY_FILE, HANDOVER_FILE):
        yield from files.file._inner(path=path, present=False)
    if state.is_executing:
        logger.warning(
            f"{host.print_prefix}{bot} has no API key left; {API_KEY_FILE} and {HANDOVER_FILE} are removed. "
            "--data key=add makes one, and so does deploy.py"
        )


@operation()
def listed(*, settings: DifySettings) -> Commands:
    """Show the bot's API keys without what would let anybody in.

    Args:
        settings: the bot, and Dify's port.
    """
    try:
        keys = _bot(settings)[2]
    except _UNAVAILABLE as error:
        yield failure("Read the API keys", str(error), advice="Run deploy.py first")
        return
    host.noop(f"{settings.bot.name} has {len(keys)} API keys")
    if state.is_executing:
        command = read_command(f"{FOLDER}/<name>")
        lines = "".join(f"  {line}\n" for line in table(keys))
        logger.info(f"\n  API keys of {settings.bot.name} (read one by: {command})\n\n{lines}")
    return
    yield


def _bot(settings: DifySettings) -> tuple[Dify, App, list[AppKey]]:
    dify = client(settings)
    app = dify.apps.require(settings.bot.name)
    return dify, app, dify.apps.api_keys(app)


def _add(state: State, host: Host, dify: Dify, app: App) -> bool:
    del state
    return _done(host, lambda: dify.apps.create_api_key("Make an API key", app))


def _revoke(state: State, host: Host, dify: Dify, app: App, key: AppKey) -> bool:
    del state
    return _done(host, lambda: dify.apps.revoke_api_key("Revoke an API key", app, key))


def _done(host: Host, write: Callable[[], None]) -> bool:
    """Whether it was done; a refusal is told in one line."""
    try:
        write()
    except DifyError as error:
        host.log_styled(str(error), fg="red", log_func=logger.error)
        return False
    return True
