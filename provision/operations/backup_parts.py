"""What a backup of Dify is of, and what speaks against making or needing one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.facts.files import Link

from provision.domain.backup import Contents, Part, contents, unpackable
from provision.domain.room import Need, disk_problems
from provision.domain.settings import DifySettings
from provision.domain.whose import elsewhere
from provision.facts.backup import Immovable, LinkedFolders, PathSizes, ProjectStorage
from provision.facts.containers import ComposeContainers
from provision.facts.hardware import FreeSpace
from provision.operations.dify_stack import compose_dir, project, require_no_linked_settings
from provision.operations.steps import StepError


def require_no_link(host: Host, dify: DifySettings) -> None:
    """Refuse an installation whose folder leads elsewhere: nothing but the link would be kept, or replaced.

    Raises:
        StepError: says where it leads.
    """
    if link := host.get_fact(Link, path=dify.folder):
        raise StepError(f"{dify.folder} is a link: set dify.folder to where it leads, {link['link_target']}")


def require_own_files(host: Host, dify: DifySettings) -> None:
    """Refuse an installation with files that lead elsewhere: of a link, nothing but the link would be kept.

    Raises:
        StepError: says where it leads.
    """
    require_no_link(host, dify)
    require_no_linked_settings(host, dify)


def belonging(host: Host, dify: DifySettings) -> Contents:
    """What belongs to a backup of the installation; some of it may not be there.

    Raises:
        StepError: it cannot be known.
    """
    require_own_files(host, dify)
    folder, name = compose_dir(dify), project(host, dify)
    made = host.get_fact(ComposeContainers, folder=folder)
    if others := elsewhere(made or [], name):
        raise StepError(
            f"compose calls {folder} the project {name}, and so it does {', '.join(others)}: what is whose "
            "cannot be told apart; deploy.py says what to do"
        )
    storage = host.get_fact(ProjectStorage, clone=dify.folder, project=name)
    if storage is None:
        raise StepError(
            "what Dify has mounted cannot be known: `docker compose config --quiet` fails in "
            f"{folder}, Docker does not answer, or there is no python3"
        )
    found = contents(dify.folder, storage.mounts, storage.external, dify.backup.leave_out)
    if found.needless:
        logger.warning(
            f"{host.print_prefix}dify.backup.leave_out names {', '.join(found.needless)}, which is not "
            "packed by itself anyway"
        )
    return found


def require_movable(host: Host, paths: Sequence[str]) -> None:
    """Refuse to exchange paths for others when some cannot be renamed, or not without what they lead to.

    Raises:
        StepError: names them.
    """
    if found := host.get_fact(Immovable, paths=paths):
        raise StepError(
            f"{'; '.join(found)}: that cannot change its place with what a backup holds. Have dify.folder "
            "name a folder on that disk, or links in docker/volumes lead to folders on it"
        )


def require_changeable(host: Host, dify: DifySettings, wanted: Sequence[Part]) -> None:
    """Refuse an upgrade that could not be gone back from, or for which git would make folders of links.

    Args:
        wanted: what belongs to a backup.

    Raises:
        StepError: says why.
    """
    require_movable(host, [part.source for part in wanted])
    if linked := host.get_fact(LinkedFolders, clone=dify.folder):
        raise StepError(
            f"{', '.join(linked)} in {dify.folder} would be a folder again with another release, without "
            "your data: the clone has files of its own there. Make it a folder, and links of those in it "
            "that hold data"
        )


def examined(host: Host, dify: DifySettings) -> tuple[Contents, dict[str, int]]:
    """What is packed and is there, with the bytes of each path; nothing has been stopped yet.

    Raises:
        StepError: something speaks against a backup.
    """
    wanted = belonging(host, dify)
    sizes = host.get_fact(PathSizes, paths=[part.source for part in wanted.parts])
    for problem in unpackable(wanted.parts, sizes):
        raise StepError(problem)
    known = {path: size for path, size in sizes.items() if size is not None}
    need = Need("the backup", dify.backup.folder, sum(known.values()))
    space = host.get_fact(FreeSpace, path=dify.backup.folder)
    for problem in disk_problems([(need, space, 0)], "set dify.backup.folder to a larger disk"):
        raise StepError(problem)
    return replace(wanted, parts=[part for part in wanted.parts if part.source in known]), known
