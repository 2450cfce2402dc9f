"""The keys: made once, on the host that keeps them."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.domain.secrets import ALL
from provision.operations.secrets import generate


@deploy("Keys")
def keys(deployment: Deployment) -> None:
    """Make the secrets that do not exist yet."""
    if host.name == deployment.dify_host:
        generate(name="Make the secrets that do not exist yet", wanted=ALL)
