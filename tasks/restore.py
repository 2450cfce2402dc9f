"""Dify's data, back in its place."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.operations.adoption import remembered
from provision.operations.restore import answering, finished, put_back


@deploy("Restore")
def restore_dify(deployment: Deployment, backup: str | None) -> None:
    """Have the installation be that of a backup, and start it.

    Args:
        backup: its name on the host, or the folder here that it was fetched to.
    """
    if host.name == deployment.dify_host:
        put_back(name="Put the backup back", dify=deployment.dify, backup=backup)
        remembered(name="Note where Dify stands", folder=deployment.dify.folder)


@deploy("Restore")
def finish_restoring(deployment: Deployment) -> None:
    """Wait until it answers: everything else may go on with it then."""
    if host.name == deployment.dify_host:
        answering(name="Wait for Dify", deployment=deployment)
        finished(name="Nothing is unfinished any more", dify=deployment.dify)
