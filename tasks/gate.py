"""Nothing public by accident."""

from __future__ import annotations

from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.operations.gate import only_what_is_declared


@deploy("Gate")
def nothing_public_by_accident(deployment: Deployment) -> None:
    """Look, when everything listens, whether others can knock at more of ours than the settings declare."""
    only_what_is_declared(name="Find nothing public by accident", deployment=deployment)
