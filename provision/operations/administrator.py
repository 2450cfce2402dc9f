"""The owner's own password of Dify's administrator, kept with the other secrets."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pyinfra import host, state
from pyinfra.api import FileUploadCommand, StringCommand, operation

from provision.administrator import ADVICE, given_password
from provision.dify.errors import DifyError
from provision.domain.secrets import ADMIN_PASSWORD, FOLDER
from provision.domain.settings import DifySettings
from provision.keeper import KeeperUnavailableError
from provision.operations.dify import client
from provision.operations.failing import failure
from provision.operations.secrets import secret_file


@operation()
def adopted(*, settings: DifySettings) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Keep the password that was given, once Dify has accepted it; later runs need none.

    Args:
        settings: the account's address, and Dify's port.
    """
    if not state.is_executing:
        host.noop("tried when the deploy runs")
        return
    try:
        given = given_password()
        if given is None:
            host.noop("no password was given")
            return
        client(settings).console.send("Sign in to Dify", "GET", "account/profile", repeatable=True)
    except (DifyError, KeeperUnavailableError, httpx.HTTPError) as error:
        yield failure("Adopt the administrator", str(error), advice=ADVICE)
        return
    yield from secret_file._inner(content=f"{given}\n", path=f"{FOLDER}/{ADMIN_PASSWORD}")
