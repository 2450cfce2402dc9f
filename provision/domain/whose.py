"""Whose compose's containers are, by the folder that it was called in and the project's name.

A project is named after its folder, which for every Dify is ``docker``: several folders may have one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Place = Literal["here", "gone", "elsewhere"]

# Who has one of these has Dify's data, or would: not what somebody has put into the folder beside it.
SERVICES = frozenset({"api", "plugin_daemon", "db", "db_postgres", "db_mysql"})


@dataclass(frozen=True)
class Made:
    """A container that compose has made, running or not.

    Attributes:
        folder: that compose was called in, as whoever did so saw it.
        place: whether that is the folder in question, one that is not there any more, or another one. (One of
            Windows' cannot be told apart from Linux, and is another one.)
        config_hash: compose's fingerprint of the definition it was made from.
        files: for one of the folder in question, what it was started from and is still there; whether plain
            ``docker compose`` reads it.
    """

    id: str
    service: str
    project: str
    folder: str
    place: Place
    config_hash: str = ""
    files: Mapping[str, bool] = field(default_factory=dict)


def started(made: Iterable[Made]) -> dict[str, list[Made]]:
    """The Difys that compose was called for in the folder, by the name of the project."""
    return {project: each for (project, _), each in _difys(made).items() if each[0].place == "here"}


def own(made: Iterable[Made], project: str) -> list[str]:
    """Ids of the installation's containers.

    Those of a folder that is gone are its own when they are a Dify's: it was moved.

    Args:
        project: what compose calls the folder's.
    """
    every = list(made)
    difys = [each for dify in _difys(every).values() for each in dify]
    return [
        each.id
        for each in every
        if (each.place == "here" and (each.project == project or each in difys))
        or (each.place == "gone" and each.project == project and each in difys)
    ]


def elsewhere(made: Iterable[Made], project: str) -> list[str]:
    """Other folders that have containers of the same project's name."""
    return sorted({each.folder for each in made if (each.place, each.project) == ("elsewhere", project)})


def _difys(made: Iterable[Made]) -> dict[tuple[str, str], list[Made]]:
    """Containers by project and folder, of those that have a service of Dify's data."""
    found: dict[tuple[str, str], list[Made]] = {}
    for each in made:
        # A folder may be called by several names.
        found.setdefault((each.project, "" if each.place == "here" else each.folder), []).append(each)
    return {key: group for key, group in found.items() if any(each.service in SERVICES for each in group)}
