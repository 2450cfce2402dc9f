"""vLLM and the gateway before it, as services."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import replace

from pyinfra import host
from pyinfra.api import FileUploadCommand, StringCommand, operation

from provision.domain.deployment import ModelServer
from provision.domain.hardware import Nvidia, gpu_count, thread_caps
from provision.domain.secrets import api_key_name
from provision.domain.service import STATE, Service
from provision.domain.vllm import AMONG_THEMSELVES, arguments
from provision.facts.hardware import CgroupLimits, NvidiaSmi
from provision.facts.model import ModelFolder
from provision.facts.python import DistributionVersion, EnvironmentStamp
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.failing import failure
from provision.operations.secrets import secret_file
from provision.operations.service import folders, running
from provision.templates import render

Commands = Generator[StringCommand | FileUploadCommand, None, None]


def environment_dir(server: ModelServer) -> str:
    return f"{server.serving.data_dir}/venv/vllm"


def services_dir(server: ModelServer) -> str:
    return f"{server.serving.data_dir}/services"


def service_dir(server: ModelServer, program: str) -> str:
    return f"{services_dir(server)}/{server.role}-{program}"


def service_name(server: ModelServer, program: str) -> str:
    return f"dify-vllm-{server.role}-{program}"


@operation()
def vllm(*, server: ModelServer) -> Commands:
    """Serve a model on loopback.

    Args:
        server: the model, its settings and its place.
    """
    venv = environment_dir(server)
    installed = host.get_fact(DistributionVersion, path=venv, distribution="vllm") or None
    data = server.serving.data_dir
    automatic = server.settings.tensor_parallel_size == "auto"
    gpus = gpu_count(server.settings, host.get_fact(NvidiaSmi) if automatic else Nvidia())
    yield from running(
        Service(
            name=service_name(server, "vllm"),
            description=f"vLLM: {server.settings.model} as {server.settings.served_name}",
            argv=[
                f"{venv}/bin/vllm",
                *arguments(server.role, server.settings, server.model_dir, installed, gpus),
            ],
            user=server.serving.user,
            directory=service_dir(server, "vllm"),
            # Caches belong on the data disk; nothing may be fetched while serving, nor reported home.
            env={
                "HOME": f"{service_dir(server, 'vllm')}/{STATE}",
                "VLLM_CACHE_ROOT": f"{data}/cache/vllm",
                "HF_HOME": f"{data}/cache/huggingface",
                # The packages are root's; without a place of its own every start would compile them again.
                "PYTHONPYCACHEPREFIX": f"{data}/cache/python",
                "HF_HUB_OFFLINE": "1",
                "VLLM_NO_USAGE_STATS": "1",
                **AMONG_THEMSELVES,
                **thread_caps(host.get_fact(CgroupLimits)),
                **server.settings.env,
            },
            inputs=[
                host.get_fact(EnvironmentStamp, path=venv),
                host.get_fact(ModelFolder, path=server.model_dir).fingerprint,
            ],
        )
    )


@operation()
def gateway(*, server: ModelServer) -> Commands:
    """Let through ``/v1`` with the role's key, and ``/health``; nothing else.

    Args:
        server: the model behind it.
    """
    try:
        key = secret(api_key_name(server.role))
    except KeeperUnavailableError as error:
        yield failure("Put the gateway before vLLM", str(error), advice="Nothing was changed here")
        return
    settings = server.settings
    directory = service_dir(server, "gateway")
    account = server.serving.user
    # Ports below 1024 need root.
    master = "root" if settings.listen_port < 1024 else account
    service = Service(
        name=service_name(server, "gateway"),
        description=f"Gateway of {settings.served_name}, port {settings.listen_port}",
        argv=["/usr/sbin/nginx", "-c", f"{directory}/nginx.conf", "-e", "stderr", "-g", "daemon off;"],
        user=master,
        directory=directory,
    )
    configuration = render(
        "nginx.conf.j2",
        title=settings.served_name,
        state=service.state,
        # A master of root's gives its workers to nobody, unless it is told; nobody may not pass /root, where
        # large bodies wait when the data disk is there.
        user=account if master == "root" else None,
        key=key,
        listen_address=server.listen_address,
        listen_port=settings.listen_port,
        vllm_port=settings.vllm_port,
        requests_per_second=server.serving.requests_per_second,
        requests_at_once=server.serving.requests_at_once,
    )
    yield from folders(service)
    yield from secret_file._inner(
        content=configuration, path=f"{directory}/nginx.conf", group=service.user, mode="640"
    )
    yield from running(replace(service, inputs=[hashlib.sha256(configuration.encode()).hexdigest()]))
