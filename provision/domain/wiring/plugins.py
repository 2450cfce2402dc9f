"""Which plugin is wanted, which is there, and what follows.

An identifier is ``author/name:version@sha256``; ``author/name`` is the plugin's id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from provision.domain.wiring.versions import Version

_REFERENCE = re.compile(
    r"(?P<id>[\w-]+/[\w-]+)(?::(?P<version>\d+\.\d+\.\d+[\w.+-]*)@(?P<checksum>[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class PluginReference:
    """A plugin by its id alone, or pinned to one package of one version."""

    plugin_id: str
    version: Version | None = None
    identifier: str | None = None

    @classmethod
    def parse(cls, text: str) -> PluginReference:
        """Read ``author/name`` or ``author/name:version@sha256``.

        Raises:
            ValueError: it is neither.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is neither author/name nor author/name:version@<sha256>")
        if found["version"] is None:
            return cls(found["id"])
        return cls(found["id"], Version.parse(found["version"]), text)


class PluginAction(Enum):
    NOTHING = "nothing"
    INSTALL = "install"
    UPGRADE = "upgrade"


@dataclass(frozen=True)
class PluginPlan:
    """What to do, and one line of why."""

    action: PluginAction
    reason: str = ""


def plan_plugin(wanted: PluginReference, installed: PluginReference | None) -> PluginPlan:
    """Compare. A version newer than the pinned one stays: Dify may have upgraded it by itself.

    The same version with another checksum stays too. Installing over it would change nothing (the plugin
    daemon goes by the id), and taking it out first would delete the stored model credentials.
    """
    if installed is None:
        return PluginPlan(PluginAction.INSTALL, f"the plugin {wanted.plugin_id} is not installed")
    if wanted.version is None or installed.version is None or installed.version >= wanted.version:
        return PluginPlan(PluginAction.NOTHING)
    return PluginPlan(
        PluginAction.UPGRADE,
        f"the plugin {wanted.plugin_id} is {installed.version}, wanted is {wanted.version}",
    )
