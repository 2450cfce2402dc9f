"""The client of one Dify server."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import httpx

from provision.dify.apps import Apps
from provision.dify.datasets import Datasets
from provision.dify.errors import DifyError
from provision.dify.generations import Generation, generation_of
from provision.dify.providers import Providers
from provision.dify.service import ServiceApi
from provision.dify.session import Session
from provision.dify.transport import Transport
from provision.domain.wiring.versions import Version

# Seconds between two looks at a server that is starting.
_START_PAUSE = 2.0
# Seconds between two words about it.
_SAY_EVERY = 15.0


class Dify:
    """Console and service API of one Dify server. Make one a run: it signs in once.

    Args:
        http: ``base_url`` is the server's root, for instance ``http://127.0.0.1:81``; the transport may
            be anything that carries HTTP.
        server: names the server where passwords that it refused are remembered; default is the base URL,
            which relays to several hosts may share.
        sleep: waits a number of seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        server: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transport = Transport(http, sleep, clock)
        self.console = Session(self.transport, server or self.transport.root)
        self.apps = Apps(self.transport, self.console)
        self.datasets = Datasets(self.transport, self.console)
        self.providers = Providers(self.console)
        self.service = ServiceApi(self.transport)

    def sign_in(self, email: str, password: str) -> None:
        """Use this administrator; the login is sent with the first request that needs it.

        A password that Dify refuses raises there, and a second attempt in this process is refused here:
        a few wrong passwords lock the account for 24 hours.
        """
        self.console.use(email, password)

    @property
    def version(self) -> Version:
        """The server's version, see `Transport.version`."""
        return self.transport.version()

    def trouble(self) -> DifyError | None:
        """Why Dify cannot be asked at present; None when it can, and when there is none yet to be asked.

        Tells a request that failed for lack of something (a plugin, an app) from one whose failure says
        nothing about Dify's content.
        """
        step = "Ask Dify"
        try:
            setup = self.transport.send(step, "GET", "console/api/setup")
            if setup.get("step", str) == "finished":
                # Needs the API, its database, a session and the plugin daemon.
                query = {"page": "1", "page_size": "1"}
                self.console.send(step, "GET", "workspaces/current/plugin/list", query=query)
        except DifyError as error:
            return error if error.status is not None or self.transport.met else None
        return None

    @property
    def generation(self) -> Generation:
        """How the server wants to be spoken to; its version decides."""
        return generation_of(self.version)


def wait_until_ready(
    dify: Dify,
    timeout: float = 600.0,
    sleep: Callable[[float], None] = time.sleep,
    waiting: Callable[[str], None] | None = None,
) -> None:
    """Wait until Dify's API answers from its database.

    ``GET console/api/setup`` is the one sign: nginx answers 502 before the API listens, the API answers
    its health checks while the tables are still being migrated, and this request then gives 500.

    Args:
        timeout: seconds; the first start of a fresh Dify takes minutes (images, migration).
        sleep: waits a number of seconds.
        waiting: receives a line now and then while it is not ready.

    Raises:
        DifyError: not ready in time, with what Dify answered last; or what answers is no Dify.
    """
    step = "Wait for Dify"
    started = said = dify.transport.clock()
    for _ in range(math.ceil(timeout / _START_PAUSE) + 1):
        try:
            dify.transport.send(step, "GET", "console/api/setup").get("step", str)
            return
        except DifyError as error:
            last = error
        if _is_foreign(last, dify):
            raise last.advised("another program or a proxy answers there: is that Dify's port?")
        now = dify.transport.clock()
        if now - started >= timeout:
            break
        if waiting and now - said >= _SAY_EVERY:
            said = now
            waiting(f"waiting for Dify, {now - started:.0f} s: {last.problem}")
        sleep(_START_PAUSE)
    raise DifyError(
        step,
        f"not ready after {timeout:.0f} s; last: {last.problem}",
        "see docker compose ps and docker compose logs api on the Dify host",
        status=last.status,
    )


def _is_foreign(error: DifyError, dify: Dify) -> bool:
    """Whether waiting does not help: the answer is neither Dify's nor that of a gateway which misses it."""
    return error.status is not None and error.status < 500 and not dify.transport.met
