"""Dify's data, kept."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.operations.backup import fetched, taken, thinned_out
from provision.operations.unfinished import nothing_unfinished


@deploy("Backup")
def back_up(deployment: Deployment) -> None:
    """Stop Dify, pack what belongs to it, start it; keep as many backups as the settings say."""
    if host.name != deployment.dify_host:
        return
    dify = deployment.dify
    nothing_unfinished(name="Find nothing unfinished")
    taken(name="Stop Dify, pack it, start it", dify=dify)
    thinned_out(name="Remove the oldest backups", dify=dify)
    if to := dify.backup.fetch_to:
        fetched(name="Fetch the backup", dify=dify, to=to)
