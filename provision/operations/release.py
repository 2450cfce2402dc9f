"""The files of another release of Dify: made ready beside the running one, then put in its place."""

from __future__ import annotations

from io import BytesIO

from pyinfra.api import Host, QuoteString, StringCommand

from provision.domain.deployment import Deployment
from provision.domain.dify_env import managed, merged
from provision.domain.dotenv import values
from provision.domain.env_diff import shown
from provision.domain.external import relied_on
from provision.domain.git import GIT
from provision.domain.published_secrets import replaced_at_upgrade
from provision.domain.secrets import DIFY
from provision.domain.settings import DifySettings
from provision.facts.dify_env import ExampleEnv
from provision.keeper import KeeperUnavailableError, secret
from provision.operations.dify_containers import PULL, own
from provision.operations.dify_stack import as_it_is, compose_dir, env_files
from provision.operations.steps import StepError, run, run_visibly
from provision.remote_file import read

READY = "ready"

# Overrides, and what they name: whatever the release itself has not.
OWNERS = """\
for path in "$1"/* "$1"/.[!.]*; do
    [ ! -e "$path" ] || [ -e "${path##*/}" ] || ln -s "$path" .
done
"""


def beside(dify: DifySettings) -> str:
    """The folder that the next release is made ready in; root's alone, since a ``.env`` lies in it."""
    return f"{dify.folder}.next"


def is_ready(host: Host, deployment: Deployment, version: str) -> bool:
    """Whether a release was made ready, and to its end."""
    return read(host, f"{beside(deployment.dify)}/{READY}") == version


def make_ready(host: Host, deployment: Deployment, before: str, after: str) -> None:
    """Fetch a release, merge its ``.env``, check both with compose and pull its images; Dify runs meanwhile.

    Args:
        before: the tag that the clone is at.
        after: the tag that is wanted.

    Raises:
        StepError: it cannot be had, or does not fit together; nothing of the running one was touched.
    """
    folder = beside(deployment.dify)
    _fetch(host, deployment, after)
    run(
        host,
        StringCommand(
            "rm -rf", QuoteString(folder), "&& mkdir -m 700", QuoteString(folder), "&&",
            git(deployment, "archive", after, "docker"), "| tar --extract --directory", QuoteString(folder),
        ),
        f"laying out {after}",
    )  # fmt: skip
    env = merged_env(host, deployment, before, after)
    _put_secret_text(host, env, f"{folder}/docker/.env")
    # The same project name, from the folder's: what is pulled here is what will run.
    inside = StringCommand("cd", QuoteString(f"{folder}/docker"), "&&")
    run(
        host,
        StringCommand(inside, "sh -c", QuoteString(OWNERS), "sh", QuoteString(compose_dir(deployment.dify))),
        "finding the owner's files",
    )
    run(host, StringCommand(inside, "docker compose config --quiet"), f"checking {after} with compose")
    _require_started(host, inside, env, after)
    run_visibly(host, StringCommand(inside, PULL), f"pulling the images of {after}")
    ready = QuoteString(f"{folder}/{READY}")
    run(host, StringCommand("printf %s", QuoteString(after), ">", ready), "noting that it is ready")


def _require_started(host: Host, inside: StringCommand, env: str, version: str) -> None:
    """Refuse a release that would start without a service of its own that its ``.env`` relies on.

    Compose says nothing of a missing database: the API needs it only where it is there (``required: false``).
    """
    services = "docker compose {} config --services"
    listed = (
        set(run(host, StringCommand(inside, services.format(which)), f"listing the services of {version}"))
        for which in ("--profile '*'", "")
    )
    known, started = listed
    chosen = values(env)
    for name, service in relied_on(chosen).items():
        if service in known - started:
            raise StepError(
                f"{version} would start without {service}, which {name} in .env says: COMPOSE_PROFILES there "
                f"is {chosen.get('COMPOSE_PROFILES')!r}. Take it out, or add that service's profile, as "
                f"docker-compose.yaml of {version} has it"
            )


def take_its_place(host: Host, deployment: Deployment, version: str) -> None:
    """Check the release out where Dify is, with the ``.env`` that was made ready; may be called again.

    Raises:
        StepError: it could not be done, or nothing was made ready.
    """
    if not is_ready(host, deployment, version):
        raise StepError(f"{beside(deployment.dify)} does not hold {version}")
    _remove_containers(host, deployment.dify)
    run(
        host,
        git(deployment, "checkout", "--quiet", "--force", "--detach", version),
        f"checking out {version}",
    )
    env = f"{compose_dir(deployment.dify)}/.env"
    new = QuoteString(f"{beside(deployment.dify)}/docker/.env")
    staged, there = QuoteString(f"{env}.new"), QuoteString(env)
    run(
        host,
        StringCommand(
            "cp --preserve=mode", new, staged, "&& chown --reference", there, staged,
            "&& sync", staged, "&& mv -T", staged, there,
        ),
        "putting .env in its place",
    )  # fmt: skip


def _remove_containers(host: Host, dify: DifySettings) -> None:
    """Remove the stopped containers of the release before.

    Each has another definition in the next one, or none: that of a service that is gone (``db`` up to 1.10.0)
    would be started by Docker after a reboot, beside its successor on the same data.
    """
    if containers := own(host, dify):
        what = "removing the containers of the release before"
        run(host, StringCommand("docker rm --force", *containers), what)


def clear_away(host: Host, dify: DifySettings) -> None:
    """Remove what was made ready."""
    run(host, StringCommand("rm -rf", QuoteString(beside(dify))), f"removing {beside(dify)}")


def git(deployment: Deployment, *arguments: str) -> StringCommand:
    folder = QuoteString(deployment.dify.folder)
    return StringCommand(GIT, "-c advice.detachedHead=false -C", folder, *map(QuoteString, arguments))


def _fetch(host: Host, deployment: Deployment, tag: str) -> None:
    """Have a tag in the clone. A shallow clone stays shallow, a whole one whole."""
    known = StringCommand(git(deployment, "rev-parse", "--quiet", "--verify", f"refs/tags/{tag}"), "|| true")
    if run(host, known, f"looking for {tag}"):
        return
    shallow = run(host, git(deployment, "rev-parse", "--is-shallow-repository"), "looking at the clone")
    depth = ["--depth", "1"] if shallow == ["true"] else []
    wanted = f"+refs/tags/{tag}:refs/tags/{tag}"
    fetch = git(deployment, "fetch", "--quiet", "--no-tags", *depth, deployment.dify.repository, wanted)
    run_visibly(host, fetch, f"fetching {tag}")


def merged_env(host: Host, deployment: Deployment, before: str, after: str) -> str:
    """The ``.env`` of the new release: the owner's, with what the release brings and what is ours.

    Of one that was set up by hand and not taken over, only new secrets are ours.

    Args:
        before: the tag that the clone is at.
        after: the tag that is wanted; it is in the clone.

    Raises:
        StepError: a file cannot be read.
    """
    folder = compose_dir(deployment.dify)
    old = host.get_fact(ExampleEnv, folder=deployment.dify.folder, tag=before)
    new = host.get_fact(ExampleEnv, folder=deployment.dify.folder, tag=after)
    try:
        owner = env_files(host, folder)
        if owner is None:
            raise StepError(f"there is no {folder}/.env")
        secrets = {name: secret(name) for name in DIFY}
        # Published defaults that come with the release are replaced by secrets of our own at once.
        ours = replaced_at_upgrade(old, new, secrets)
        if not as_it_is(deployment.dify):
            ours |= managed(deployment.dify, deployment.dify_url, new)
        result = merged(old, owner, new, ours)
    except (OSError, KeeperUnavailableError) as error:
        raise StepError(str(error)) from None
    except ValueError as error:
        raise StepError(f"{folder}/.env: {error}") from None
    for line in shown(result.changes, private=deployment.dify.env):
        host.log(line)
    return result.text


def _put_secret_text(host: Host, content: str, path: str) -> None:
    run(host, StringCommand("umask 077; : >", QuoteString(path)), f"making {path}")
    if not host.put_file(BytesIO(content.encode()), path):
        raise StepError(f"{path} cannot be written")
