"""vLLM on loopback, the gateway in front."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from provision.domain.deployment import Deployment
from provision.facts.init import Systemd
from provision.operations import endpoint, python
from provision.operations.fits import fits
from provision.operations.service import start_hook, supervisord
from provision.operations.vllm import environment_dir, gateway, vllm
from provision.templates import text


@deploy("Serving")
def serve_models(deployment: Deployment) -> None:
    """Install vLLM and start a server for each model of this host."""
    servers = deployment.on(host.name)
    if not servers:
        return
    serving = servers[0].serving
    python.environment(
        name="Install vLLM",
        path=environment_dir(servers[0]),
        requirements=text(serving.vllm_requirements),
        uv=f"{serving.data_dir}/venv/uv/bin/uv",
        serving=serving,
    )
    if not host.get_fact(Systemd):
        supervisord(name="Have supervisord run")
        if serving.start_hook:
            start_hook(name="Have the box start supervisord", path=serving.start_hook)
    fits(name="See that the models fit", servers=servers)
    for server in host.loop(servers):
        vllm(name="Serve the model with vLLM", server=server)
    for server in host.loop(servers):
        gateway(name="Put the gateway before it", server=server)


@deploy("Serving")
def prove_models(deployment: Deployment) -> None:
    """Wait until each model of this host does what it is there for."""
    for server in host.loop(deployment.on(host.name)):
        endpoint.served(name="Prove that the model answers", server=server)
