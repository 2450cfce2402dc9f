"""Packages, installations and their tasks, as daemon 0.6.3 keeps them (recording; contract 3 and 15).

Nothing runs in the background: whatever time has brought about is worked out at the next call, so that a
restarted container goes on where it stopped.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from ..store import Document, Store
from . import packages
from .failures import BAD_REQUEST, INTERNAL, NOT_FOUND, DaemonError

PENDING_SECONDS = 0.3
KEPT_SECONDS = 60  # a successful task is deleted that long after its success
ICON = "openai.svg"
UNSIGNED = "plugin verification has been enabled, and the plugin you want to install has a bad signature"
ALREADY = "Failed to create plugin, perhaps it's already installed"
NO_REQUIREMENTS = "failed to find requirements.txt: stat {}/requirements.txt: no such file or directory"
LABELS = ("en_US", "zh_Hans", "pt_BR", "ja_JP")


class Installs:
    """The daemon's books.

    Args:
        seconds: how long an installation takes.
        verify: refuse unsigned packages (``FORCE_VERIFYING_SIGNATURE``).
        silent: a package over another version of its plugin changes nothing and says nothing; older daemons
            fail (recordings of 1.3.1 and 1.12.1).
        modern: knows pyproject.toml; daemons up to 0.5.2 do not
            (``internal/core/local_runtime/setup_python_environment.go``).
    """

    def __init__(
        self, store: Store, seconds: float, verify: bool, silent: bool = True, modern: bool = True
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._verify = verify
        self._silent = silent
        self._modern = modern

    def upload(self, raw: bytes) -> Document:
        """Take in a package; it can be installed by the identifier in the answer."""
        try:
            package = packages.read(raw)
        except packages.BadPackageError as error:
            raise DaemonError(BAD_REQUEST, str(error)) from error
        if self._verify and package.verification is None:
            raise DaemonError(
                BAD_REQUEST,
                UNSIGNED,
            )
        verified = package.verification is not None
        self._know(package.identifier, verified, launches=self._modern or not package.modern)
        return {
            "unique_identifier": package.identifier,
            "manifest": self.manifest(package.identifier),
            "verification": package.verification,
        }

    def accept(self, identifier: str) -> Document:
        """Take in a package of the marketplace, which is always signed."""
        self._know(identifier, verified=True)
        return self.manifest(identifier)

    def manifest(self, identifier: str) -> Document:
        """The declaration of a known package.

        Raises:
            DaemonError: never seen; or its declaration went with an uninstallation.
        """
        known = self._store.get("package", identifier)
        if known is None:
            raise DaemonError(BAD_REQUEST, "plugin package not found, please upload it firstly")
        if not known["declared"]:
            raise DaemonError(INTERNAL, "plugin declaration not found")
        plugin_id, version, _ = packages.split(identifier)
        author, name = plugin_id.split("/")
        return {
            "version": version,
            "type": "plugin",
            "author": author,
            "name": name,
            "label": dict.fromkeys(LABELS, "OpenAI-API-compatible"),
            "description": dict.fromkeys(LABELS, "Model providers compatible with OpenAI's API standard."),
            "icon": ICON,
            "plugins": {"models": ["provider/openai_api_compatible.yaml"]},
            "verified": known["verified"],
        }

    def install(self, identifiers: list[str], source: str) -> Document:
        """Start to install packages, unless all of them are installed.

        Args:
            source: ``package`` or ``marketplace``.
        """
        installed = {i["plugin_unique_identifier"] for i in self.installed()}
        for identifier in identifiers:
            self.manifest(identifier)
        if installed.issuperset(identifiers):
            return {"all_installed": True, "task_id": ""}
        return self._begin(identifiers, source, replaced=None)

    def upgrade(self, old: str, new: str, source: str) -> Document:
        """Start to put ``new`` in the place of ``old``, which has to come from the same source."""
        installation = next((i for i in self.installed() if i["plugin_unique_identifier"] == old), None)
        if installation is None:
            raise DaemonError(NOT_FOUND, "plugin not found")
        if installation["source"] != source:
            raise DaemonError(INTERNAL, f"the plugin was not installed from {source}")
        return self._begin([new], source, replaced=old)

    def uninstall(self, installation_id: str) -> bool:
        """Remove an installation and the declaration of its package; an unknown id is no error."""
        for installation in self.installed():
            if installation["id"] == installation_id:
                self._store.delete("installation", installation_id)
                identifier = installation["plugin_unique_identifier"]
                known = self._store.get("package", identifier) or {}
                self._store.put("package", identifier, known | {"declared": False})
        return True

    def installed(self) -> list[Document]:
        """Every installation, the newest first."""
        self._settle()
        return self._store.all("installation")[::-1]

    def tasks(self) -> list[Document]:
        """Every task that was not deleted yet, the newest first."""
        self._settle()
        return [self._shown(task) for task in self._store.all("task")[::-1]]

    def task(self, task_id: str) -> Document:
        """One task.

        Raises:
            DaemonError: there is none, or it succeeded more than a minute ago.
        """
        self._settle()
        task = self._store.get("task", task_id)
        if task is None:
            raise DaemonError(INTERNAL, "record not found")
        return self._shown(task)

    def forget_task(self, task_id: str) -> bool:
        self._store.delete("task", task_id)
        return True

    def _know(self, identifier: str, verified: bool, launches: bool = True) -> None:
        packages.split(identifier)
        self._store.put("package", identifier, {"verified": verified, "declared": True, "launches": launches})

    def _begin(self, identifiers: list[str], source: str, replaced: str | None) -> Document:
        task_id = str(uuid.uuid4())
        task = {
            "id": task_id, "at": time.time(), "done": False, "failed": "",
            "identifiers": identifiers, "source": source, "replaced": replaced,
        }  # fmt: skip
        self._store.put("task", task_id, task)
        return {"all_installed": False, "task_id": task_id}

    def _settle(self) -> None:
        for task in self._store.all("task"):
            ended = task["at"] + self._seconds
            if time.time() > ended:
                good = self._finish(task, ended)
                if good and time.time() > ended + KEPT_SECONDS:
                    self._store.delete("task", task["id"])

    def _finish(self, task: Document, at: float) -> bool:
        """Bring about what the task is for, once; returns whether it succeeded."""
        if task["done"]:
            return not task["failed"]
        failed = self._failure(task, at)
        self._store.put("task", task["id"], task | {"done": True, "failed": failed})
        return not failed

    def _failure(self, task: Document, at: float) -> str:
        for each in task["identifiers"]:
            if not (self._store.get("package", each) or {}).get("launches", True):
                return NO_REQUIREMENTS.format(each)
        added = [self._add(each, task["source"], task["replaced"], at) for each in task["identifiers"]]
        return "" if self._silent or all(added) else ALREADY

    def _add(self, identifier: str, source: str, replaced: str | None, at: float) -> bool:
        """Add an installation, unless another version is there."""
        plugin_id, version, checksum = packages.split(identifier)
        for other in self._store.all("installation"):
            if other["plugin_id"] != plugin_id:
                continue
            if other["plugin_unique_identifier"] != replaced:
                return False
            self._store.delete("installation", other["id"])
        installation_id = str(uuid.uuid4())
        installation = {
            "id": installation_id,
            "created_at": stamp(at),
            "updated_at": stamp(at),
            "endpoints_setups": 0,
            "endpoints_active": 0,
            "runtime_type": "local",
            "source": source,
            "meta": {"plugin_unique_identifier": identifier},
            "plugin_id": plugin_id,
            "plugin_unique_identifier": identifier,
            "version": version,
            "checksum": checksum,
            "declaration": self.manifest(identifier),
        }
        self._store.put("installation", installation_id, installation)
        return True

    def _shown(self, task: Document) -> Document:
        age = time.time() - task["at"]
        status, message = "success", "installed"
        if not task["done"]:
            status, message = ("pending", "") if age < PENDING_SECONDS else ("running", "starting")
        elif task["failed"]:
            status, message = "failed", task["failed"]
        upgrade = task["replaced"] is not None  # an upgrade's task knows no icon and no label
        plugins = [
            {
                "plugin_unique_identifier": identifier,
                "plugin_id": packages.split(identifier)[0],
                "status": status,
                "message": message,
                "icon": "" if upgrade else ICON,
                "labels": dict.fromkeys(LABELS, "" if upgrade else "OpenAI-API-compatible"),
                "source": task["source"],
            }
            for identifier in task["identifiers"]
        ]
        return {
            "id": task["id"],
            "created_at": stamp(task["at"]),
            "updated_at": stamp(task["at"] + (self._seconds if task["done"] else 0)),
            "status": status,
            "total_plugins": len(plugins),
            "completed_plugins": len(plugins) if status == "success" else 0,
            "plugins": plugins,
        }


def stamp(at: float) -> str:
    """A time as the daemon writes it, in UTC with microseconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def describe(installation: Document, tenant_id: str) -> dict[str, Any]:
    """An installation as the api passes it on."""
    return {"tenant_id": tenant_id, **installation}
