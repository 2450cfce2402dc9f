"""What each test host is made of."""

from __future__ import annotations

import json
from pathlib import Path

from lab import paths, pip_settings
from lab.addresses import (
    DIFY_WSL,
    ELSEWHERE_SUBNET,
    GIT_SERVER,
    GPU_CHAT,
    GPU_EMBED,
    GPU_SCORE,
    NEIGHBOUR,
    REGISTRY,
    RENTED_INSIDE_PORT,
    RENTED_PUBLISHED,
    STRANGER_IP,
    WINDOWS,
    WINDOWS_ON_THE_LAN,
    Address,
)
from lab.base_images import tag
from lab.containers import LAN, Container, name_of
from lab.docker import File
from lab.hosts import drive_c, images, keys
from lab.surroundings import registry

# Everything that systemd and a nested Docker Engine need. Not --privileged: that also asks for
# CAP_SYS_RESOURCE, which a machine that is a container itself may not have to give.
SYSTEMD = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run:exec",
    "--tmpfs=/run/lock",
)

# What a renter may have in there: it ends before its last line, which has no newline.
RENTERS_SCRIPT = "#!/bin/bash\necho started >>/root/starts.log\nexit 0\necho never reached"

# A GPU server gives half its memory to shared memory; Docker's 64 MB stop vLLM's worker processes.
SHARED_MEMORY = "--shm-size=2g"


def hosts(real_dify: bool) -> list[Container]:
    """The four machines that the deploy is run against, Windows beside its WSL, and a neighbour of Windows.

    Args:
        real_dify: let the Dify host reach Docker Hub and GitHub, instead of the lab's stand-ins for them.
    """
    return [
        _gpu(GPU_CHAT),
        _gpu(GPU_EMBED),
        _rented(),
        _dify_wsl(real_dify),
        _windows(),
        _neighbour(),
    ]


# The two are one machine: nobody stands between them.
WINDOWS_TO_WSL = f"""\
Host dify-wsl
    HostName {name_of(DIFY_WSL)}
    User root
    IdentityFile /etc/lab/id_windows
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
    ControlMaster auto
    ControlPath /run/dify-wsl.%p
    ControlPersist 60
"""


def _login(*more: Path) -> dict[str, File]:
    """Let the control machine in, and who holds one of these private keys."""
    return {"/root/.ssh/authorized_keys": File("".join(map(keys.public, (paths.SSH_KEY, *more))), 0o600)}


def _packages() -> tuple[str, ...]:
    uv = paths.CACHE / "uv"
    uv.mkdir(parents=True, exist_ok=True)
    folders = [f"--volume={here}:{there}:ro" for here, there in pip_settings.mounts()]
    return (*folders, f"--volume={uv}:/var/cache/uv")


def _gpu(address: Address) -> Container:
    return Container(
        address, images.GPU, options=(*SYSTEMD, SHARED_MEMORY, *_packages()), files=_login() | _pip_file()
    )


def _rented() -> Container:
    """Default capabilities, no init system, and nothing starts it again: as rented containers are."""
    ip, port = RENTED_PUBLISHED
    return Container(
        GPU_SCORE,
        images.GPU,
        options=("--init", f"--publish={ip}:{port}:{RENTED_INSIDE_PORT}", SHARED_MEMORY, *_packages()),
        command=("rented-start", str(GPU_SCORE.ssh_port)),
        files=_login() | _pip_file() | {"/root/onstart.sh": File(RENTERS_SCRIPT)},
    )


def _pip_file() -> dict[str, File]:
    index = pip_settings.index_url()
    return {"/etc/pip.conf": File(f"[global]\nindex-url = {index}\n")} if index else {}


def _dify_wsl(real_dify: bool) -> Container:
    files = _login(paths.WINDOWS_KEY)
    names: tuple[str, ...] = ()
    if not real_dify:
        names = (f"--add-host={registry.WEAVIATE}:{REGISTRY.ip}",)
        plain = [f"{REGISTRY.ip}:{registry.PORT}", registry.WEAVIATE]
        engine = {"registry-mirrors": [f"http://{plain[0]}"], "insecure-registries": plain}
        github = f'[url "git://{GIT_SERVER.ip}/"]\n\tinsteadOf = https://github.com/langgenius/\n'
        files |= {
            "/etc/docker/daemon.json": File(json.dumps(engine, indent=2) + "\n"),
            "/etc/gitconfig": File(github),
        }
    return Container(
        DIFY_WSL,
        images.WSL,
        options=(
            *SYSTEMD,
            *names,
            # Volumes, since overlay2 cannot stack on the container's own overlay.
            "--volume=/var/lib/docker",
            "--volume=/var/lib/containerd",
            f"--volume={drive_c.VOLUME}:/mnt/c",
            "--restart=always",  # after `wsl --shutdown`; image/wsl-init waits until Windows starts it
        ),
        files=files,
    )


def _windows() -> Container:
    """A network namespace of its own, on the LAN too: its sshd, and the ports that it forwards to WSL."""
    program, bootstrap = paths.ROOT / "lab" / "windows", paths.ROOT / "bootstrap"
    return Container(
        WINDOWS,
        images.WINDOWS,
        options=(
            "--init",
            "--cap-add=NET_ADMIN",
            f"--volume={program}:/opt/project/lab/windows:ro",
            f"--volume={bootstrap}:/opt/project/bootstrap:ro",
            f"--volume={drive_c.VOLUME}:/mnt/c",
        ),
        command=(
            "windows-start",
            "sh",
            "-c",
            f"ip route replace {ELSEWHERE_SUBNET} via {NEIGHBOUR.ip}"
            " && exec python3 /opt/project/lab/windows/forwarder.py /mnt/c",
        ),
        lan_ip=WINDOWS_ON_THE_LAN,
        files={
            "/etc/lab/dify-wsl.ssh": File(WINDOWS_TO_WSL),
            "/etc/lab/id_windows": File(paths.WINDOWS_KEY.read_bytes(), 0o600),
            "/mnt/c/ProgramData/ssh/administrators_authorized_keys": File(keys.public(paths.SSH_KEY), 0o600),
        },
        runs=(program / "forwarder.py", program / "packet_filter.py", bootstrap / "door.ps1"),
        keeps_state=False,  # what Windows remembers is on its drive
    )


def _neighbour() -> Container:
    """A machine on the LAN of Windows that sees nothing else of the lab."""
    return Container(
        NEIGHBOUR,
        tag("bookworm"),
        network=LAN,
        options=("--init", "--cap-add=NET_ADMIN"),
        command=("sh", "-c", f"ip address replace {STRANGER_IP}/32 dev eth0 && exec sleep infinity"),
        keeps_state=False,
    )
