"""An installation of Dify's that somebody made by hand: which one is meant, and where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from provision.domain.addresses import url_with_port
from provision.domain.deployment import Deployment
from provision.domain.dify_env import PUBLISHED_SSL_PORT, published_port
from provision.domain.port_settings import AUTO
from provision.domain.settings import DifySettings

OVERRIDE = "docker-compose.override.yaml"
OURS = "# Merged by the plain `docker compose` form. Changed by dify-vllm-deploy"
"""What our override begins with: an installation without it was made by hand."""

PROJECT = "COMPOSE_PROJECT_NAME"
SUBFOLDER = "/docker"
FOLDER = DifySettings().folder

PLACE = "/var/lib/dify-vllm-deploy/dify-folder"
"""Where the folder of one that was adopted is noted: after `docker compose down` no label tells it."""


@dataclass(frozen=True)
class Installation:
    """A Dify as compose has labelled its containers, running or not.

    Attributes:
        folder: the one with the compose file, as whoever started it saw it.
        project: compose's name of it; empty where no container is there to tell.
    """

    folder: str
    project: str


class AdoptionError(Exception):
    """An installation is there and cannot be gone on with. The message says why, and what to do."""


def adopted(
    found: Iterable[Installation], folder: str, taken: bool, remembered: str = ""
) -> Installation | None:
    """The installation that is meant although it stands elsewhere than in ``dify.folder``.

    Whoever names a folder means it; only the usual one gives way, and only while nothing is in it.

    Args:
        found: all that there are on the host.
        folder: ``dify.folder``.
        taken: whether there is an installation in it.
        remembered: the folder of the clone that was adopted before; empty for none.

    Raises:
        AdoptionError: there are several, or it stands where it cannot be worked with.
    """
    others = sorted({each.folder: each for each in found}.values(), key=lambda each: each.folder)
    if folder != FOLDER or taken:
        return None
    if remembered:
        known = Installation(remembered + SUBFOLDER, "")
        return next((each for each in others if each.folder == known.folder), known)
    if not others or any(each.folder == folder + SUBFOLDER for each in others):
        return None
    if len(others) > 1:
        raise AdoptionError(
            f"{len(others)} installations of Dify are here, in {', '.join(each.folder for each in others)}; "
            "set dify.folder to the folder above the one that is meant, or to a new one"
        )
    [one] = others
    if not one.folder.startswith("/"):
        raise AdoptionError(
            f"the Dify that is here was started from Windows, in {one.folder}, and cannot be worked with "
            "from Linux; start it from inside WSL (stop it, move its folder there, `docker compose up -d`), "
            "or set dify.folder to a new folder, dify.port and dify.ssl_port to free ports"
        )
    if not one.folder.endswith(SUBFOLDER):
        raise AdoptionError(
            f"the Dify that is here runs from {one.folder}, which is no {SUBFOLDER[1:]} folder of a clone; "
            "set dify.folder to a new folder, dify.port and dify.ssl_port to free ports"
        )
    return one


def clone_of(installation: Installation) -> str:
    """What ``dify.folder`` is for it."""
    return installation.folder.removesuffix(SUBFOLDER)


def another_name(folder: str, started: Collection[str], project: str, wanted: str = "") -> str | None:
    """What to say where compose's plain form would not find the containers again, and start others.

    Those would run on the same data: two PostgreSQL in one folder destroy it.

    Args:
        started: projects of the Difys that were started in the folder.
        project: what compose calls the folder's project by itself.
        wanted: what the settings would have it call that; empty when they say nothing.
    """
    if set(started) - {project}:
        names = " and ".join(sorted(started))
        told = (
            f"the Dify in {folder} was started as project {names}, and plain `docker compose` there calls it "
            f"{project}"
        )
        if len(started) > 1:
            return (
                f"{told}: only one of them may run on its data; see which one is meant (`docker compose ls "
                "--all`) and remove the other's containers (`docker compose -p NAME down` there)"
            )
        return f"{told}; write {PROJECT}={names} into its .env, by which nothing is restarted"
    if started and wanted not in ("", project):
        return (
            f"the Dify in {folder} was started as project {project}, and dify.env would have it called "
            f'{wanted}, beside the containers that there are; set dify.env = {{"{PROJECT}": "{project}"}}'
        )
    return None


def other_files(folder: str, files: Iterable[str], read: Iterable[str]) -> str:
    """What to say where Dify was started from files that compose's plain form does not read.

    It would make others from another definition, which may say that data lie elsewhere.

    Args:
        files: what a container was started from.
        read: what compose reads there by itself.
    """
    return (
        f"the Dify in {folder} was started from {', '.join(files)}, and plain `docker compose` there reads "
        f"{', '.join(read)}; write COMPOSE_FILE={':'.join(files)} into its .env, by which nothing is "
        "restarted"
    )


def as_published(deployment: Deployment, variables: Mapping[str, str]) -> Deployment:
    """The deployment with the ports that an installation publishes, whatever the settings say.

    Args:
        variables: what its ``.env`` says of nginx's ports; what it leaves out is Dify's default.
    """
    port = published_port(variables) or 80
    ssl_port = published_port(variables, PUBLISHED_SSL_PORT) or 443
    dify = deployment.dify
    url = deployment.dify_url
    if dify.public_url is None or dify.port == AUTO:
        parts = urlsplit(url)
        address = parts.netloc.removesuffix(f":{parts.port}")
        url = url_with_port(f"http://{address}", port) if parts.scheme == "http" else url
    ports = {"port": port, "ssl_port": ssl_port}
    return replace(deployment, dify=dify.model_copy(update=ports), dify_url=url)


def other_ports(settings: DifySettings, kept: DifySettings) -> list[str]:
    """Where an installation publishes other ports than the settings say, one line each."""
    ports = (("port", settings.port, kept.port), ("ssl_port", settings.ssl_port, kept.ssl_port))
    return [
        f"Dify keeps its port {has}; dify.{name} is {wanted}"
        for name, wanted, has in ports
        if wanted not in (AUTO, has)
    ]
