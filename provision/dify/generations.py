"""Which dialects a version of Dify speaks. The only place of the client that knows version numbers.

The versions are Dify's first tags with the change, from its source; the recordings and the matrix of the
contract tests show both sides of each but the plugin upgrades' (1.7.0 and 1.15.0, where only the newer
side of 1.15.0 is recorded). A version that is newer than all of them is spoken to like the newest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from provision.dify.dialects import auto_upgrade, credentials, login, tools, visitor
from provision.domain.wiring.versions import OLDEST_DIFY, Version

T = TypeVar("T")

# The versions since which something is as it is, the oldest first.
_Since = tuple[tuple[Version, T], ...]

_LOGIN: _Since[login.LoginDialect] = (
    (OLDEST_DIFY, login.LoginDialect(login.plain, login.bearer)),
    (Version(1, 9, 2), login.LoginDialect(login.plain, login.cookies_and_csrf)),
    (Version(1, 11, 2), login.LoginDialect(login.base64_encoded, login.cookies_and_csrf)),
)
_CREDENTIALS: _Since[credentials.CredentialDialect] = (
    (OLDEST_DIFY, credentials.UPSERTED),
    (Version(1, 8, 0), credentials.NAMED),
)
_AUTO_UPGRADE: _Since[auto_upgrade.AutoUpgradeDialect | None] = (
    (OLDEST_DIFY, None),
    (Version(1, 7, 0), auto_upgrade.FOR_ALL),
    (Version(1, 15, 0), auto_upgrade.BY_CATEGORY),
)
# langgenius/dify#22550, merged a week before 1.7.0; neither side is recorded.
_TOOLS: _Since[tools.ToolDialect] = (
    (OLDEST_DIFY, tools.UPSERTED),
    (Version(1, 7, 0), tools.NAMED),
)
_VISITOR: _Since[Callable[[str], dict[str, str]]] = (
    (OLDEST_DIFY, visitor.as_bearer),
    (Version(1, 9, 2), visitor.as_passport),
)


@dataclass(frozen=True)
class Generation:
    """Args:
    auto_upgrade: None when Dify does not upgrade plugins by itself.
    visitor: a visitor's headers, from the passport.
    """

    login: login.LoginDialect
    credentials: credentials.CredentialDialect
    auto_upgrade: auto_upgrade.AutoUpgradeDialect | None
    visitor: Callable[[str], dict[str, str]]
    tools: tools.ToolDialect


def generation_of(version: Version) -> Generation:
    """The dialects of this version, which must not be older than `OLDEST_DIFY`."""
    return Generation(
        login=_latest(_LOGIN, version),
        credentials=_latest(_CREDENTIALS, version),
        auto_upgrade=_latest(_AUTO_UPGRADE, version),
        visitor=_latest(_VISITOR, version),
        tools=_latest(_TOOLS, version),
    )


def _latest(table: _Since[T], version: Version) -> T:
    return [value for since, value in table if since <= version][-1]
