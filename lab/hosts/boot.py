"""Booting the test hosts, and booting them again."""

from __future__ import annotations

from lab import daemon, waiting
from lab.addresses import ALL, DIFY_WSL, GPU_CHAT, GPU_EMBED, WINDOWS, Address, dify_wsl
from lab.containers import Container, name_of, start
from lab.docker import Docker, DockerError
from lab.hosts.windows import reboot_windows, windows_holds_wsl
from lab.steps import step

BOOT_SECONDS = 60
STOP_SECONDS = 60
WITH_SYSTEMD = (GPU_CHAT.name, GPU_EMBED.name, DIFY_WSL.name)


class BootError(RuntimeError):
    """A host did not come up; the message holds what it says about itself."""


def boot(docker: Docker, container: Container) -> None:
    """Have a host up: its sshd answers, and every unit that it starts at boot has started.

    Raises:
        lab.docker.DockerError: the container cannot be started.
        BootError: it started and something in it did not come up.
    """
    with step(f"host {container.address.name}") as current:
        current.note = start(docker, container)
        _wait(docker, dify_wsl() if container.address == DIFY_WSL else container.address)


def reboot(name: str) -> None:
    """Stop a host as its power button does, start it, and wait until it is up; errors as in `boot`.

    With Windows its WSL stops, too, and comes up with another address, if there is a task that starts it.

    Args:
        name: host name, e.g. ``dify-wsl``.

    Raises:
        KeyError: there is no host of that name.
    """
    docker = daemon.ensure()
    if name == WINDOWS.name:
        with step("reboot of windows, and of WSL with it") as current:
            current.note = reboot_windows(docker)
            if windows_holds_wsl(docker):
                _wait(docker, dify_wsl())
        return
    address = {host.name: host for host in (*ALL, dify_wsl())}[name]
    with step(f"reboot of {name}"):
        docker.run("restart", "-t", str(STOP_SECONDS), name_of(address))
        _wait(docker, address)


def wipe(docker: Docker, container: Container) -> None:
    """Replace a host by a blank one with another ssh key, as a provider does; errors as in `boot`."""
    with step(f"wipe of {container.address.name}"):
        docker.run("rm", "--force", "--volumes", container.name)
    boot(docker, container)


def _wait(docker: Docker, address: Address) -> None:
    container = name_of(address)
    if address.ssh_port is not None:
        try:
            waiting.until(lambda: waiting.greets(address), f"sshd of {address.name}", BOOT_SECONDS)
        except TimeoutError as error:
            logs = docker.run("logs", "--tail", "20", container, check=False)
            raise BootError(f"{error}\n{logs.stdout}{logs.stderr}") from None
    if address.name in WITH_SYSTEMD:
        _wait_for_systemd(docker, container)
    if docker.state(container) != "running":
        raise DockerError(f"{container} stopped: see `docker logs {container}`")


def _wait_for_systemd(docker: Docker, container: str) -> None:
    said = docker.exec(
        container, "timeout", str(BOOT_SECONDS), "systemctl", "is-system-running", "--wait", check=False
    )
    if said.stdout.strip() != "running":
        failed = docker.exec(container, "systemctl", "--failed", "--no-legend", "--plain", check=False)
        raise BootError(f"{container} is {said.stdout.strip() or said.stderr.strip()}:\n{failed.stdout}")
