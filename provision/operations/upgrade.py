"""An installation, brought to another release, or back to where it was."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, Host, State, StringCommand, operation

from provision.domain.deployment import Deployment
from provision.domain.dotenv import unless_blank
from provision.domain.unfinished import Unfinished
from provision.domain.upgrades import edits, external_data, problems, vector_store
from provision.domain.wiring.versions import Version
from provision.facts.containers import Age, Running
from provision.facts.git import CheckedOutTag, EditedFiles
from provision.operations.asking import ask
from provision.operations.backup import manifest_of, pack
from provision.operations.backup_parts import belonging
from provision.operations.dify_stack import compose_dir, project
from provision.operations.failing import failure
from provision.operations.proving import Failure, migrated, proven
from provision.operations.release import clear_away, is_ready, make_ready, take_its_place
from provision.operations.restore import exchange, kept, start
from provision.operations.room import require_way_back
from provision.operations.steps import LOST, StepError, fail
from provision.operations.unfinished import forget, note, noted
from provision.remote_file import read

STEP = "Upgrade Dify"
AGAIN = "Run again: it finishes or goes back. Where it cannot, deploys/restore.py takes its place"

Commands = Generator[StringCommand | FunctionCommand, None, None]


@dataclass(frozen=True)
class Wanted:
    """What an upgrade is to do.

    Attributes:
        version: the release that is to run.
        acknowledged: crossings that the owner has thought of, by name.
    """

    deployment: Deployment
    version: str
    acknowledged: Sequence[str] = ()


@operation()
def allowed(*, wanted: Wanted) -> Commands:
    """Refuse an upgrade that crosses what nobody has acknowledged; nothing has been touched then.

    Args:
        wanted: the upgrade.
    """
    dify = wanted.deployment.dify
    try:
        begun = noted(host)
        env = unless_blank(read(host, f"{compose_dir(dify)}/.env"))
    except (StepError, OSError) as error:
        yield failure(STEP, str(error), advice="Put it right and run again")
        return
    if begun:
        if begun.doing == "upgrade" and begun.after == wanted.version:
            host.noop(f"{begun}; going on")
        else:
            yield failure(STEP, str(begun), advice=f"First {begun.what_to_do()}")
        return
    before = host.get_fact(CheckedOutTag, path=dify.folder)
    if before in ("", "?"):
        what = f"{dify.folder} is on no tag" if before else f"there is no installation in {dify.folder}"
        advice = "Check out the tag of the release that runs there" if before else "deploy.py makes one"
        yield failure(STEP, what, advice=advice)
        return
    if env is None:
        what = f"there is no {compose_dir(dify)}/.env, or nothing in it"
        yield failure(STEP, what, advice="deploy.py says what to do, or makes one")
        return
    if before == wanted.version:
        host.noop(f"Dify is {before}")
        return
    try:
        unheld = belonging(host, dify).unheld
    except StepError as error:
        yield failure(STEP, str(error), advice="Nothing was touched")
        return
    store = vector_store(env)
    edited = host.get_fact(EditedFiles, path=dify.folder)
    refusals = [
        *problems(Version.parse(before), Version.parse(wanted.version), store, wanted.acknowledged),
        *edits(edited, wanted.acknowledged),
        *external_data(unheld, wanted.acknowledged),
    ]
    if refusals:
        if not state.is_executing:
            host.log("would be refused:\n  " + "\n  ".join(refusals))
        yield failure(
            f"{STEP} from {before} to {wanted.version}",
            "refused, nothing was touched:\n  " + "\n  ".join(refusals),
            advice="What you have thought of is acknowledged by --data acknowledge=NAME,NAME",
        )
        return
    host.noop(f"from {before} to {wanted.version}: nothing stands against it")


@operation()
def answering(*, wanted: Wanted) -> Commands:
    """Ask the bot before anything changes: only of what answers now can be told whether it does afterwards.

    Args:
        wanted: the upgrade.
    """
    if not state.is_executing or _left(wanted) != "all":
        host.noop("asked before an upgrade begins")
        return
    try:
        ask(wanted.deployment.dify)
    except Failure as error:
        yield failure(
            STEP,
            f"the bot does not answer as it is: {error}",
            advice="Nothing was touched. Run deploy.py first",
        )
        return
    host.noop("the bot answers")


@operation()
def made_ready(*, wanted: Wanted) -> Commands:
    """Fetch the release and pull its images beside the running one.

    Args:
        wanted: the upgrade.
    """
    if _left(wanted) != "all":
        host.noop("nothing to make ready")
        return
    yield FunctionCommand(_make_ready, (wanted,), {})


@operation()
def changed(*, wanted: Wanted) -> Commands:
    """Back up, change to the new release and prove it; go back by itself when anything fails.

    Args:
        wanted: the upgrade.
    """
    if _left(wanted) == "nothing":
        host.noop("nothing to change")
        return
    yield FunctionCommand(_change, (wanted,), {})


def _left(wanted: Wanted) -> Literal["all", "the rest", "nothing"]:
    """What there is to do. Nothing after a note that cannot be read, which has failed ``allowed``."""
    try:
        if noted(host):
            return "the rest"
    except StepError:
        return "nothing"
    before = host.get_fact(CheckedOutTag, path=wanted.deployment.dify.folder)
    return "nothing" if before == wanted.version else "all"


def _make_ready(state: State, host: Host, wanted: Wanted) -> bool:
    del state
    before = host.get_fact(CheckedOutTag, path=wanted.deployment.dify.folder)
    try:
        make_ready(host, wanted.deployment, before, wanted.version)
        require_way_back(host, wanted.deployment.dify)
    except StepError as error:
        return fail(host, f"{STEP}: {error}. Nothing of the running Dify was touched")
    except LOST as error:
        return fail(host, f"{STEP}: the connection is gone ({error}). Nothing was touched; run again")
    return True


def _change(state: State, host: Host, wanted: Wanted) -> bool:
    del state
    deployment = wanted.deployment
    try:
        begun = noted(host)
        if begun is None:
            before = host.get_fact(CheckedOutTag, path=deployment.dify.folder)
            begun = note(host, Unfinished("upgrade", "backing up", before, wanted.version))
        return carry_out(host, deployment, begun)
    except StepError as error:
        return fail(host, f"{STEP}: {error}. {AGAIN}")
    except LOST as error:
        return fail(host, f"{STEP}: the connection is gone ({error}). {AGAIN}")


def carry_out(host: Host, deployment: Deployment, begun: Unfinished) -> bool:
    """Go on from a phase to the end, or, when something fails, back to where Dify was.

    Returns:
        Whether the new release runs and answers.

    Raises:
        StepError: Dify could not be brought back either; it may be tried again.
    """
    again = begun.exchanging
    name = project(host, deployment.dify)
    # What an earlier run has started long ago, people may have worked with.
    in_use = (
        begun.phase == "starting"
        and not begun.reason
        and host.get_fact(Age, project=name, service="api") > deployment.dify.start_timeout
    )
    if begun.phase == "changing files" and host.get_fact(Running, project=name):
        # A reboot has started the old release again: what was written since then is in no backup.
        begun = note(host, replace(begun, phase="backing up", backup=""))
    if begun.phase == "backing up":
        begun = _back_up(host, deployment, begun)
    if begun.phase in ("changing files", "starting"):
        try:
            if begun.phase == "changing files":
                take_its_place(host, deployment, begun.after)
                begun = note(host, replace(begun, phase="starting"))
            start(host, deployment.dify)
            proven(host, deployment, begun.after)
        except Failure as error:
            if in_use:
                raise StepError(
                    f"{begun.after}, which an earlier run has started, fails: {error}. People may have "
                    "worked with it, so that nothing is put back unasked: mend it and run again, or put back "
                    f"{begun.backup} by deploys/restore.py"
                ) from None
            # That it goes back is noted when the backup has been found whole; until then the next run tries
            # the release again.
            begun = note(host, replace(begun, reason=str(error)))
            begun = replace(begun, phase="going back")
        else:
            migrated(host, deployment, begun.after)
            begun = note(host, replace(begun, phase="clearing up", reason=""))
    if begun.phase == "going back":
        begun = _go_back(host, deployment, begun, again=again)
    if begun.phase == "proving":
        _prove_the_way_back(host, deployment, begun)
        begun = note(host, replace(begun, phase="clearing up"))
    _clear_up(host, deployment, begun)
    return not begun.reason


def _back_up(host: Host, deployment: Deployment, begun: Unfinished) -> Unfinished:
    """Stop Dify and pack it; what would be written after the backup would be lost by going back."""
    try:
        if not is_ready(host, deployment, begun.after):
            raise StepError(f"{begun.after} is not ready")
        manifest = pack(host, deployment.dify, leave_stopped=True)
    except StepError as error:
        try:
            start(host, deployment.dify)
        except StepError as second:
            raise StepError(f"{error}. And Dify could not be started again: {second}") from None
        forget(host)
        raise StepError(f"{error}. Dify runs as before, nothing was changed") from None
    host.log(f"backup {manifest.name} in {deployment.dify.backup.folder}")
    return note(host, replace(begun, phase="changing files", backup=manifest.name))


def _go_back(host: Host, deployment: Deployment, begun: Unfinished, *, again: bool) -> Unfinished:
    host.log_styled(
        f"{begun.after} failed: {begun.reason}. Going back to {begun.before}", fg="red", log_func=logger.error
    )
    manifest = manifest_of(host, deployment.dify.backup.folder, begun.backup)
    return exchange(host, deployment.dify, manifest, begun, begun.backup if again else "")


def _prove_the_way_back(host: Host, deployment: Deployment, begun: Unfinished) -> None:
    start(host, deployment.dify)
    try:
        proven(host, deployment, begun.before)
    except Failure as error:
        raise StepError(f"{begun.before} is back in its place but does not answer: {error}") from None


def _clear_up(host: Host, deployment: Deployment, begun: Unfinished) -> None:
    """Remove what was needed on the way, and say where it has led to."""
    dify = deployment.dify
    clear_away(host, dify)
    forget(host)
    if begun.reason:
        fail(
            host,
            f"{STEP}: {begun.after} failed: {begun.reason}. Dify is {begun.before} again, with the data of "
            f"backup {begun.backup}, which stays. {kept(dify)}",
        )
        return
    then = ""
    if dify.version != begun.after:
        then = f" Now set dify.version to {begun.after}, which deploy.py goes by."
    host.log(
        f"Dify is {begun.after} and answers. Backup {begun.backup} is the way back to {begun.before}.{then}"
    )
