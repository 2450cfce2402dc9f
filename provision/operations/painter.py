"""Proof that a service draws pictures for Dify."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from provision import progress
from provision.connectors.relay import http_client
from provision.domain.settings import DifySettings, StableDiffusionSettings
from provision.endpoint import EndpointError
from provision.operations.endpoint import caller_of


@operation()
def draws(*, painter: StableDiffusionSettings, dify: DifySettings) -> Generator[StringCommand, None, None]:
    """Ask the service for its models, from inside the container that will ask it for pictures.

    A failure is remembered, not raised: the bot answers without pictures, too.

    Args:
        painter: the service, and the model that it is to have.
        dify: the installation whose plugin asks it.
    """
    if not state.is_executing:
        host.noop("asked when the deploy runs")
        return
    url = f"{painter.base_url.rstrip('/')}/sdapi/v1/sd-models"
    problem = None
    try:
        with http_client(host, url, container=caller_of(dify)) as client:
            names = [str(each["model_name"]) for each in client.get(url).raise_for_status().json()]
        if painter.model not in names:
            problem = f"has no model {painter.model}, but {', '.join(names) or 'none'}"
    except EndpointError as error:
        problem = f"cannot be asked: {error}"
    except httpx.HTTPError as error:
        problem = f"does not answer: {error or type(error).__name__}"
    except (ValueError, KeyError, TypeError):
        problem = "is no service with AUTOMATIC1111's API"
    if problem:
        progress.not_done["pictures"] = (
            f"no pictures: {url}, asked from Dify's plugin_daemon on {host.name}, {problem}; see "
            "dify.stable_diffusion (the web UI needs --api --listen)"
        )
        host.noop("no pictures, see the end")
        return
    host.noop(f"{painter.model} at {painter.base_url}")
    return
    yield
