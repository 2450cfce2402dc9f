"""What an upgrade of Dify crosses: changes that an installation does not survive by itself."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from provision.domain.dotenv import DotenvError, values
from provision.domain.wiring.versions import OLDEST_DIFY, Version

WEAVIATE = "weaviate"


@dataclass(frozen=True)
class Crossing:
    """One change between two releases that somebody has to have thought of.

    Attributes:
        name: what acknowledges it.
        since: the first release behind it.
        reason: what changes, and what it breaks; with its source where there is one.
        advice: what to do before it is acknowledged.
        until: the first release to which it does not matter any more, ``None`` when to all.
        store: it matters to this vector store only.
    """

    name: str
    since: Version
    reason: str
    advice: str
    until: Version | None = None
    store: str | None = None

    def lies_between(self, before: Version, after: Version, store: str) -> bool:
        """Whether an upgrade crosses it.

        Args:
            store: the vector store that the installation uses.
        """
        return (
            before < self.since <= after
            and (self.until is None or after < self.until)
            and self.store in (None, store)
        )


CROSSINGS = (
    Crossing(
        "weaviate-1.27",
        Version(1, 9, 2),
        "the bundled Weaviate goes from 1.19 to 1.27 and does not read older vectors: knowledge bases "
        "answer nothing (langgenius/dify#27291)",
        "without knowledge bases acknowledge it; with them export the vectors first, as Dify's release notes "
        "of 1.9.2 say, or plan to index every document again",
        store=WEAVIATE,
    ),
    Crossing(
        "console-cookies",
        Version(1, 9, 2),
        "the console takes cookies with a CSRF header instead of bearer tokens: scripts of your own that "
        "sign in to the console stop working (langgenius/dify#28313)",
        "applications that use an app's API key are not concerned; change the others, or have none",
    ),
    Crossing(
        "database-service",
        Version(1, 10, 1),
        "compose's service db becomes db_postgres: scripts, overrides and DB_HOST settings of your own that "
        "say db find nothing (the data folder stays)",
        "look through docker-compose.override.yaml, cron jobs and .env for the name db",
    ),
    Crossing(
        "model-types",
        Version(1, 14, 0),
        "1.14 does not find the model credentials of older releases to change them, and has no command that "
        "rewrites them (langgenius/dify#36129)",
        "upgrade to 1.15.0 or newer instead, where it is done for you",
        until=Version(1, 15, 0),
    ),
    Crossing(
        "env-split",
        Version(1, 14, 1),
        ".env.example is cut to what is essential, and the rest moves to optional files under envs/ that "
        "reach some services only: nginx, squid, PostgreSQL, Redis and Weaviate are told what .env says",
        "your own values stay in .env, where they win; read the list of removed variables after the upgrade",
    ),
    Crossing(
        "ssrf-private",
        Version(1, 15, 0),
        "ssrf_proxy refuses private addresses: HTTP nodes, tools and file downloads that reach your LAN "
        "stop working (langgenius/dify#36332, #38443); model endpoints do not pass it",
        "name what is to stay reachable in dify.env, as SSRF_PROXY_ALLOW_PRIVATE_IPS and "
        "SSRF_PROXY_ALLOW_PRIVATE_DOMAINS",
    ),
    Crossing(
        "weaviate-1.39",
        Version(1, 17, 1),
        "the bundled Weaviate goes from 1.27 to 1.39, which has to be climbed minor by minor; a jump loses "
        "vectors without an error (langgenius/dify#38214, langgenius/dify-docs#940)",
        "without knowledge bases acknowledge it; with them climb first, as Dify's page on migrating Weaviate "
        "says, or plan to index every document again",
        store=WEAVIATE,
    ),
)

NEWEST_KNOWN = Version(1, 17, 1)
"""The newest release whose notes this table rests on."""

BEYOND = "unknown-release"

# Releases that are no good to anybody.
BROKEN = {Version(1, 12, 0): "its images are mistagged (langgenius/dify#31892); take 1.12.1"}

# The last one with the Weaviate between the two steps.
BETWEEN_WEAVIATES = Version(1, 16, 1)

EDITS = "local-edits"
EXTERNAL = "external-data"

NAMES = frozenset({*(crossing.name for crossing in CROSSINGS), BEYOND, EDITS, EXTERNAL})

# Adopted installations have their settings in it; what counts of them is in .env, and is merged.
EXAMPLE = "docker/.env.example"


# Up to 1.13 models were stored under other names of their types, which 1.14 and later read, but do not find
# when something is to be changed: "Credential record not found." (langgenius/dify#36129, #37034). 1.15
# brought the command for it; 1.17.1 calls it by itself (#41326). It changes nothing the second time.
_MODEL_TYPES = "flask data-migrate legacy-model-types --apply"


def migration(after: Version) -> str | None:
    """What is to be run in the api container of a release that has migrated its database, if anything is.

    It prints what it changes, credentials (encrypted) among it.

    Args:
        after: the release.
    """
    return _MODEL_TYPES if Version(1, 15, 0) <= after < Version(1, 17, 1) else None


def pin_differs(running: str, pin: str, folder: str) -> str:
    """What to say where another release runs than the settings pin.

    Args:
        running: the clone's tag, ``?`` for none.
        pin: ``dify.version``, a release of three numbers.
        folder: the installation.
    """
    kept = f"{folder} is at {running}, dify.version is {pin}; a running release is never changed in passing"
    if running == "?":
        return f"{kept}. The clone is on no tag: check one out, or set dify.folder to a new folder"
    before, after = Version.parse(running), Version.parse(pin)
    upgrade = (
        f"To upgrade it: deploys/upgrade.py --data dify_version={pin} (it backs up first, and goes back by "
        "itself when anything fails)"
    )
    if running != str(before):  # such as 1.10.1-fix.1, whose place among the releases is not known
        special = f"{kept}. {running} is a special build, which dify.version cannot name: it stays as it is"
        return f"{special}. {upgrade}" if before < after else special
    if before > after:
        return f"{kept}. Set dify.version to {running}"
    return f"{kept}. {upgrade}. To stay: set dify.version to {running}"


def vector_store(env: str) -> str:
    """The vector store that an installation's ``.env`` chooses; Dify's own one where it cannot be told."""
    try:
        chosen = values(env).get("VECTOR_STORE")
    except DotenvError:  # told where the file is merged
        chosen = None
    return chosen or WEAVIATE


def edits(files: Iterable[str], acknowledged: Collection[str]) -> Iterator[str]:
    """Why an upgrade is refused that would give up edits of the owner's in Dify's own files.

    Args:
        files: of the clone that differ from their release.
        acknowledged: see :func:`problems`.
    """
    lost = sorted(set(files) - {EXAMPLE})
    if lost and EDITS not in acknowledged:
        yield (
            f"{EDITS}: the new release's files take the place of {', '.join(lost)}, which somebody has "
            "edited. First: move the edits to docker-compose.override.yaml or .env; the backup keeps them"
        )


def external_data(unheld: Iterable[str], acknowledged: Collection[str]) -> Iterator[str]:
    """Why an upgrade is refused that may change data which its backup does not hold.

    Args:
        unheld: that data, in words.
        acknowledged: see :func:`problems`.
    """
    if (listed := ", ".join(unheld)) and EXTERNAL not in acknowledged:
        yield (
            f"{EXTERNAL}: the backup does not hold {listed}; the new release migrates and writes it, and an "
            "upgrade that fails goes back without it: the old release then meets what the new one has left. "
            "First: make a copy of it, with Dify stopped, and know how it is put back"
        )


def crossed(before: Version, after: Version, store: str) -> list[Crossing]:
    """The crossings between two releases, oldest first.

    Args:
        store: the vector store that the installation uses, as in ``VECTOR_STORE``.
    """
    found = [crossing for crossing in CROSSINGS if crossing.lies_between(before, after, store)]
    if after > NEWEST_KNOWN:
        found.append(
            Crossing(
                BEYOND,
                after,
                f"what is known here of Dify ends with {NEWEST_KNOWN}",
                f"read the release notes from there to {after}",
            )
        )
    return found


def problems(before: Version, after: Version, store: str, acknowledged: Collection[str]) -> Iterator[str]:
    """Why an upgrade is refused; nothing when it may begin.

    Args:
        before: the running release.
        after: the wanted one.
        store: the vector store that the installation uses.
        acknowledged: names of crossings that the owner has thought of.
    """
    for name in sorted(set(acknowledged) - NAMES):
        nearest = difflib.get_close_matches(name, NAMES, n=1)
        yield f"{name} is no crossing" + (f"; did you mean {nearest[0]}?" if nearest else "")
    if after < before:
        yield (
            f"{after} is older than the running {before}: databases are migrated forward only; restore a "
            "backup of the older release instead"
        )
        return
    if before < OLDEST_DIFY:
        yield f"{before} is older than {OLDEST_DIFY}, the oldest that is known here; upgrade it by hand"
    if after in BROKEN:
        yield f"{after} is refused: {BROKEN[after]}"
    found = crossed(before, after, store)
    steps = [crossing.name for crossing in found if crossing.store == WEAVIATE]
    if len(steps) > 1:
        yield (
            f"{' and '.join(steps)} cannot be crossed at once; upgrade to {BETWEEN_WEAVIATES} first, and "
            "look whether the knowledge bases answer"
        )
    for crossing in found:
        if crossing.name not in acknowledged:
            yield f"{crossing.name} ({crossing.since}): {crossing.reason}. First: {crossing.advice}"
