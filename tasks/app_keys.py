"""The bot's API keys."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.operations.app_keys import added, handed_over, kept, listed, revoked


@deploy("API keys")
def manage_app_keys(deployment: Deployment, *, add: bool, revoke: str | None) -> None:
    """Make or revoke a key when asked to; hand over the oldest, keep each in a file, list them."""
    if host.name != deployment.dify_host:
        return
    dify = deployment.dify
    if add:
        added(name="Make an API key", settings=dify)
    if revoke:
        revoked(name="Revoke the API key", settings=dify, name_of_key=revoke)
    kept(name="Keep the keys in root-only files", settings=dify)
    if add or revoke:
        handed_over(name="Hand over the oldest key", deployment=deployment)
    listed(name="List the keys", settings=dify)
