"""Dify's containers, by docker compose."""

from __future__ import annotations

from pyinfra import host, state
from pyinfra.api import Host, QuoteString, StringCommand, operation

from provision import progress
from provision.domain import adoption, compose, whose
from provision.domain.settings import DifySettings
from provision.facts.adoption import ComposeFiles
from provision.facts.containers import ComposeContainers, ComposeStack, Ill
from provision.facts.docker import ComposeVersion, OutOfReach
from provision.operations.dify_stack import Commands, as_it_is, compose_dir, project
from provision.operations.failing import Problem, failure
from provision.operations.steps import StepError
from provision.operations.watched import watched

MINIMUM_COMPOSE = (2, 24)

INSTALL = "Install Docker Engine from the distribution's or Docker's own packages, then run again"
OUT_OF_REACH = {
    "snap": Problem(
        "Docker is the snap, which can read neither /opt nor other users' folders",
        f"What containers keep in its volumes goes with it: save it, then snap remove docker. {INSTALL}",
    ),
    "rootless": Problem(
        "the Docker engine is a rootless one, of a user's own; none answers root",
        f"{INSTALL}; it has to run as a system service (systemctl enable --now docker)",
    ),
}

# One after the other, so that it can be said which one takes its time. What Docker cannot pull may be built
# by somebody, which compose knows; else it fails, too.
_PULL = """\
set -e
images=$(docker compose config --images)
for image in $(printf '%s\\n' "$images" | sort -u); do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    echo "pulling $image"
    docker pull --quiet "$image" >/dev/null || exec docker compose pull --quiet --policy missing
done
"""

PULL = StringCommand("sh -c", QuoteString(_PULL))
"""Has the images of the folder's definition there; it is run in the folder."""

# Of the API, through which everything goes, and of whatever does not run as it should.
LAST_WORDS = """\
docker compose ps --all
ill=$(docker compose ps --all --format '{{.Service}} {{.State}}/{{.Health}}/{{.ExitCode}}' |
    grep -vE ' (running/(healthy|starting)?/|exited//0$)' | cut -d ' ' -f 1)
docker compose logs --tail 15 $(printf '%s\\n' api nginx $ill | sort -u)
"""


def started(how: str = "") -> StringCommand:
    """Starts the folder's definition; where that fails, with the last words of what does not run.

    Args:
        how: arguments for ``up``.
    """
    up = f"docker compose --progress quiet up --detach {how}"
    return StringCommand("{", up, "|| {", LAST_WORDS, "exit 1; }; }")


def own(host: Host, dify: DifySettings) -> list[str]:
    """Ids of the installation's containers, running or not; whatever its project was called.

    Raises:
        StepError: Docker does not answer.
    """
    made = host.get_fact(ComposeContainers, folder=compose_dir(dify))
    if made is None:
        raise StepError("Docker does not say which containers there are")
    return whose.own(made, project(host, dify))


def started_otherwise(host: Host, dify: DifySettings) -> str | None:
    """Why plain ``docker compose`` in Dify's folder would not go on with the containers that are there."""
    folder = compose_dir(dify)
    read = host.get_fact(ComposeFiles, folder=folder).files
    made = host.get_fact(ComposeContainers, folder=folder, files=read)
    there = whose.started(made or [])
    wanted = "" if as_it_is(dify) else dify.env.get(adoption.PROJECT, "")
    if named := adoption.another_name(folder, there, project(host, dify), wanted):
        return named
    data = [each for those in there.values() for each in those if each.service in whose.SERVICES]
    unread = [each for each in data if not all(each.files.values())]
    if unread:
        # What they say may have come to stand where it is read: compose keeps the label of what it keeps.
        stack = host.get_fact(ComposeStack, folder=folder, project=project(host, dify), port=dify.port)
        unread = [each for each in unread if each.config_hash != stack.wanted.get(each.service)]
    return adoption.other_files(folder, unread[0].files, read) if unread else None


def no_engine(host: Host, *, coming: bool = False) -> Problem | None:
    """What there is in place of a Docker engine with Compose ≥ 2.24 (optional env files need it).

    Args:
        coming: this run may install one, so that none is no problem yet.
    """
    if problem := OUT_OF_REACH.get(host.get_fact(OutOfReach)):
        return problem
    found = host.get_fact(ComposeVersion)
    parts = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if parts >= MINIMUM_COMPOSE or (coming and not found):
        return None
    return Problem(
        f"Compose is {found}" if found else "no engine answers, or it has no compose plugin",
        "Dify needs Docker Engine with Compose 2.24 or newer; install or update it, then run again",
    )


@operation()
def engine() -> Commands:
    """Find a Docker engine that Dify can run on."""
    if problem := no_engine(host):
        yield failure("Find Docker", problem.found, advice=problem.advice)
        return
    host.noop("an engine is there")


@operation()
def up(*, dify: DifySettings) -> Commands:
    """Have every container run from its present definition; one that somebody set up by hand just run.

    Args:
        dify: the folder.
    """
    folder = compose_dir(dify)
    name = project(host, dify)
    made = host.get_fact(ComposeContainers, folder=folder)
    if others := whose.elsewhere(made or [], name):
        yield failure(
            "Start Dify",
            f"compose calls {folder} the project {name}, and so it does {', '.join(others)}, which has "
            "containers: starting this one would make those anew, with other data",
            advice='Set dify.env = {"COMPOSE_PROJECT_NAME": "…"} to a name of its own, or dify.folder to '
            "the installation that is meant",
        )
        return
    if problem := started_otherwise(host, dify):
        yield failure("Start Dify", problem, advice="Nothing was started")
        return
    stack = host.get_fact(ComposeStack, folder=folder, project=name, port=dify.port)
    kept = as_it_is(dify)
    differences = compose.differences(stack.wanted, stack.containers, recreate=not kept)
    if stack.wanted and not differences:
        host.noop("every container is as defined")
    else:
        for line in differences:
            host.log(line)
        inside = StringCommand("cd", QuoteString(folder), "&&")
        yield watched(StringCommand(inside, PULL), "pulling images")
        yield watched(StringCommand(inside, started("--no-recreate" if kept else "")), "starting containers")
        stack = host.get_fact(ComposeStack, folder=folder, project=name, port=dify.port)
    if compose.nginx_is_stale(stack.containers, stack.door):
        yield StringCommand("docker compose restart nginx", _chdir=folder)


@operation()
def running(*, dify: DifySettings) -> Commands:
    """Find every container running: one that ends again and again is told by nothing else.

    Args:
        dify: the folder.
    """
    if not state.is_executing:
        host.noop("looked at when the deploy runs")
        return
    ill = host.get_fact(Ill, project=project(host, dify))
    if ill:
        said = ", ".join(f"{service}: {status}" for service, status in sorted(ill.items()))
        progress.not_done["containers"] = (
            f"not every container of Dify runs ({said}); see `docker compose logs {' '.join(sorted(ill))}` "
            f"in {compose_dir(dify)} on {host.name}"
        )
    host.noop("not every container runs" if ill else "every container runs")
    return
    yield
