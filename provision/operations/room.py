"""Room on Dify's host for a backup, and for putting one back."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import Host

from provision.domain.room import Need, disk_problems
from provision.domain.settings import DifySettings
from provision.facts.hardware import FolderSizes, FreeSpace
from provision.operations.backup_parts import examined, require_changeable
from provision.operations.steps import StepError

# Beside each part's place: what is being unpacked, and what was there before.
RESTORED, REPLACED = ".restored", ".replaced"


def require_way_back(host: Host, dify: DifySettings) -> None:
    """See whether a backup, once made, could be put back: there is room for both, and nothing stands fast.

    How small a backup gets is not known before, so as much as it is of is reckoned.

    Raises:
        StepError: says why not.
    """
    contents, sizes = examined(host, dify)
    wanted = contents.parts
    require_changeable(host, dify, wanted)
    back = [
        Need("the way back", part.source, sizes[part.source], (part.source + REPLACED,)) for part in wanted
    ]
    packed = Need("the backup", dify.backup.folder, sum(sizes.values()))
    require_room(host, [packed, *back], "set dify.backup.folder to another disk")


def require_room(host: Host, needs: Iterable[Need], remedy: str) -> None:
    """See whether something has room.

    Args:
        remedy: what to do besides freeing some.

    Raises:
        StepError: it has not.
    """
    found = [
        (
            need,
            host.get_fact(FreeSpace, path=need.path),
            host.get_fact(FolderSizes, folders=list(need.begun)) if need.begun else 0,
        )
        for need in needs
    ]
    for problem in disk_problems(found, remedy):
        raise StepError(problem)
