"""Dify, brought to another release."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.operations import upgrade
from provision.operations.adoption import remembered
from provision.operations.backup import thinned_out


@deploy("Upgrade")
def upgrade_dify(wanted: upgrade.Wanted) -> None:
    """Look what lies between, make the new release ready, then change to it, or go back."""
    deployment = wanted.deployment
    if host.name != deployment.dify_host:
        return
    upgrade.allowed(name="Look at what lies between", wanted=wanted)
    remembered(name="Note where Dify stands", folder=deployment.dify.folder)
    upgrade.answering(name="Ask the bot before anything changes", wanted=wanted)
    upgrade.made_ready(name="Make the new release ready beside the running one", wanted=wanted)
    upgrade.changed(name="Back up, change to the new release, prove it, or go back", wanted=wanted)
    thinned_out(name="Remove the oldest backups", dify=deployment.dify)
