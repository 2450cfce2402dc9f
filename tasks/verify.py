"""A question, an answer, and the keys of the house."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.operations.asking import memory, question
from provision.operations.dify_containers import running
from provision.operations.endpoint import complete
from provision.operations.handover import hand_over


@deploy("Verify")
def verify(deployment: Deployment) -> None:
    """Ask the bot, hand it over, and fail if anything could not be done."""
    if host.name != deployment.dify_host:
        return
    question(name="Ask the bot a question", deployment=deployment)
    if deployment.dify.knowledge.folders:
        memory(name="Ask it for what it is to know", deployment=deployment)
    running(name="Find every container of Dify running", dify=deployment.dify)
    hand_over(name="Hand over link, address and key", deployment=deployment)
    complete(name="Everything is done")


@deploy("Verify")
def prove(deployment: Deployment) -> None:
    """Ask the bot, and fail if it does not answer."""
    if host.name == deployment.dify_host:
        question(name="Ask the bot a question", deployment=deployment)
        complete(name="Everything is done")
