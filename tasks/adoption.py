"""The Dify that is on its host already, where it stands."""

from __future__ import annotations

from dataclasses import replace

from pyinfra import host, logger
from pyinfra.api.exceptions import DeployError

from provision.domain import adoption
from provision.domain.deployment import Deployment
from provision.facts.adoption import Installations, RememberedFolder
from provision.facts.docker import NginxVariables
from provision.facts.git import CheckedOutTag
from provision.operations.dify_containers import started_otherwise
from provision.operations.dify_stack import as_it_is, compose_dir


def adopted(deployment: Deployment, *, replaced: bool = False) -> Deployment:
    """The deployment with the folder and the ports of a Dify that somebody set up by hand; else as it is.

    Args:
        replaced: what is there is going to be, by a backup.

    Raises:
        DeployError: there is one that cannot be gone on with.
    """
    folder = deployment.dify.folder
    taken = bool(host.get_fact(CheckedOutTag, path=folder))
    try:
        found = adoption.adopted(host.get_fact(Installations), folder, taken, host.get_fact(RememberedFolder))
    except adoption.AdoptionError as error:
        raise DeployError(f"{host.name}: {error}") from None
    if found:
        clone = adoption.clone_of(found)
        logger.info(f"{host.print_prefix}Dify was found in {clone} and stays there")
        deployment = replace(deployment, dify=deployment.dify.model_copy(update={"folder": clone}))
    dify = deployment.dify
    if not replaced and (problem := started_otherwise(host, dify)):
        raise DeployError(f"{host.name}: {problem}")
    if not as_it_is(dify):
        return deployment
    kept = adoption.as_published(deployment, host.get_fact(NginxVariables, folder=compose_dir(dify)))
    for line in adoption.other_ports(dify, kept.dify):
        logger.warning(f"{host.print_prefix}{line}")
    return kept
