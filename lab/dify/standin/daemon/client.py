"""How the api reaches the daemon: over HTTP in containers, by a plain call where both are one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

import requests

from . import models, pooling, tools
from .failures import DaemonError, DaemonUnreachableError
from .installs import Installs, describe
from .runtimes import Runtimes

TIMEOUT = (5, 600)  # seconds to connect; PLUGIN_DAEMON_TIMEOUT


class Daemon(Protocol):
    """The daemon's operations. All raise `DaemonError` and `DaemonUnreachableError`."""

    def listed(self, tenant_id: str) -> list[dict[str, Any]]: ...

    def providers(self, tenant_id: str) -> list[str]: ...

    def upload(self, tenant_id: str, raw: bytes) -> dict[str, Any]: ...

    def accept(self, tenant_id: str, identifier: str) -> dict[str, Any]: ...

    def manifest(self, tenant_id: str, identifier: str) -> dict[str, Any]: ...

    def install(self, tenant_id: str, identifiers: list[str], source: str) -> dict[str, Any]: ...

    def upgrade(self, tenant_id: str, old: str, new: str, source: str) -> dict[str, Any]: ...

    def uninstall(self, tenant_id: str, installation_id: str) -> bool: ...

    def tasks(self, tenant_id: str) -> list[dict[str, Any]]: ...

    def task(self, tenant_id: str, task_id: str) -> dict[str, Any]: ...

    def forget_task(self, tenant_id: str, task_id: str) -> bool: ...

    def validate(self, tenant_id: str, model_type: str, model: str, credentials: dict[str, str]) -> None: ...

    def validate_tool(self, tenant_id: str, credentials: dict[str, str]) -> None: ...

    def schema(
        self, tenant_id: str, model_type: str, model: str, credentials: dict[str, str]
    ) -> dict[str, Any]: ...

    def invoke(self, tenant_id: str, asked: models.Invocation) -> Iterator[dict[str, Any]]: ...

    def embed(
        self, tenant_id: str, model: str, credentials: dict[str, str], texts: list[str]
    ) -> list[list[float]]: ...

    def rerank(
        self, tenant_id: str, model: str, credentials: dict[str, str], query: str, texts: list[str]
    ) -> list[tuple[int, float]]: ...


class LocalDaemon:
    """Both in one process: for tests that need no second server."""

    def __init__(self, installs: Installs, runtimes: Runtimes) -> None:
        self.installs = installs
        self.runtimes = runtimes

    def listed(self, tenant_id: str) -> list[dict[str, Any]]:
        return [describe(installation, tenant_id) for installation in self.installs.installed()]

    def providers(self, tenant_id: str) -> list[str]:
        return [installation["plugin_id"] for installation in self.listed(tenant_id)]

    def upload(self, _: str, raw: bytes) -> dict[str, Any]:
        return self.installs.upload(raw)

    def accept(self, _: str, identifier: str) -> dict[str, Any]:
        return self.installs.accept(identifier)

    def manifest(self, _: str, identifier: str) -> dict[str, Any]:
        return self.installs.manifest(identifier)

    def install(self, _: str, identifiers: list[str], source: str) -> dict[str, Any]:
        return self.installs.install(identifiers, source)

    def upgrade(self, _: str, old: str, new: str, source: str) -> dict[str, Any]:
        return self.installs.upgrade(old, new, source)

    def uninstall(self, _: str, installation_id: str) -> bool:
        return self.installs.uninstall(installation_id)

    def tasks(self, _: str) -> list[dict[str, Any]]:
        return self.installs.tasks()

    def task(self, _: str, task_id: str) -> dict[str, Any]:
        return self.installs.task(task_id)

    def forget_task(self, _: str, task_id: str) -> bool:
        return self.installs.forget_task(task_id)

    def validate(self, _: str, model_type: str, model: str, credentials: dict[str, str]) -> None:
        self.runtimes.demand()
        models.validate(model_type, model, credentials)

    def validate_tool(self, _: str, credentials: dict[str, str]) -> None:
        self.runtimes.demand()
        tools.validate(credentials)

    def schema(self, _: str, model_type: str, model: str, credentials: dict[str, str]) -> dict[str, Any]:
        self.runtimes.demand()
        return models.schema(model_type, model, credentials)

    def invoke(self, _: str, asked: models.Invocation) -> Iterator[dict[str, Any]]:
        self.runtimes.demand()
        return models.invoke(asked)

    def embed(self, _: str, model: str, credentials: dict[str, str], texts: list[str]) -> list[list[float]]:
        self.runtimes.demand()
        return pooling.embed(model, credentials, texts)

    def rerank(
        self, _: str, model: str, credentials: dict[str, str], query: str, texts: list[str]
    ) -> list[tuple[int, float]]:
        self.runtimes.demand()
        return pooling.rerank(model, credentials, query, texts)


class RemoteDaemon:
    """A daemon behind HTTP.

    Args:
        url: as in ``PLUGIN_DAEMON_URL``.
        key: as in ``PLUGIN_DAEMON_KEY``; another one than the daemon's makes everything fail.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"X-Api-Key": key}

    def listed(self, tenant_id: str) -> list[dict[str, Any]]:
        return list(self._ask("GET", f"plugin/{tenant_id}/management/list"))

    def providers(self, tenant_id: str) -> list[str]:
        return list(self._ask("GET", f"plugin/{tenant_id}/management/models"))

    def upload(self, tenant_id: str, raw: bytes) -> dict[str, Any]:
        path = f"plugin/{tenant_id}/management/install/upload/package"
        return dict(self._ask("POST", path, files={"dify_pkg": ("dify_pkg", raw)}))

    def accept(self, tenant_id: str, identifier: str) -> dict[str, Any]:
        path = f"plugin/{tenant_id}/management/install/upload/identifier"
        return dict(self._ask("POST", path, json={"identifier": identifier}))

    def manifest(self, tenant_id: str, identifier: str) -> dict[str, Any]:
        path = f"plugin/{tenant_id}/management/decode/from_identifier"
        return dict(self._ask("GET", path, params={"identifier": identifier}))

    def install(self, tenant_id: str, identifiers: list[str], source: str) -> dict[str, Any]:
        path = f"plugin/{tenant_id}/management/install/identifiers"
        return dict(self._ask("POST", path, json={"identifiers": identifiers, "source": source}))

    def upgrade(self, tenant_id: str, old: str, new: str, source: str) -> dict[str, Any]:
        path = f"plugin/{tenant_id}/management/install/upgrade"
        return dict(self._ask("POST", path, json={"old": old, "new": new, "source": source}))

    def uninstall(self, tenant_id: str, installation_id: str) -> bool:
        path = f"plugin/{tenant_id}/management/uninstall"
        return bool(self._ask("POST", path, json={"plugin_installation_id": installation_id}))

    def tasks(self, tenant_id: str) -> list[dict[str, Any]]:
        return list(self._ask("GET", f"plugin/{tenant_id}/management/install/tasks"))

    def task(self, tenant_id: str, task_id: str) -> dict[str, Any]:
        return dict(self._ask("GET", f"plugin/{tenant_id}/management/install/tasks/{task_id}"))

    def forget_task(self, tenant_id: str, task_id: str) -> bool:
        return bool(
            self._ask("POST", f"plugin/{tenant_id}/management/install/tasks/{task_id}/delete", json={})
        )

    def validate(self, tenant_id: str, model_type: str, model: str, credentials: dict[str, str]) -> None:
        path = f"plugin/{tenant_id}/dispatch/model/validate_model_credentials"
        self._ask("POST", path, json={"model_type": model_type, "model": model, "credentials": credentials})

    def validate_tool(self, tenant_id: str, credentials: dict[str, str]) -> None:
        path = f"plugin/{tenant_id}/dispatch/tool/validate_credentials"
        self._ask("POST", path, json={"credentials": credentials})

    def schema(
        self, tenant_id: str, model_type: str, model: str, credentials: dict[str, str]
    ) -> dict[str, Any]:
        path = f"plugin/{tenant_id}/dispatch/model/schema"
        asked = {"model_type": model_type, "model": model, "credentials": credentials}
        return dict(self._ask("POST", path, json=asked))

    def invoke(self, tenant_id: str, asked: models.Invocation) -> Iterator[dict[str, Any]]:
        path = f"plugin/{tenant_id}/dispatch/llm/invoke"
        with self._send("POST", path, json=asdict(asked), stream=True) as answer:
            try:
                for line in answer.iter_lines():
                    yield _data(json.loads(line))
            except requests.RequestException as error:
                raise DaemonUnreachableError(path) from error

    def embed(
        self, tenant_id: str, model: str, credentials: dict[str, str], texts: list[str]
    ) -> list[list[float]]:
        path = f"plugin/{tenant_id}/dispatch/text_embedding/invoke"
        asked = {"model": model, "credentials": credentials, "texts": texts}
        return list(self._ask("POST", path, json=asked))

    def rerank(
        self, tenant_id: str, model: str, credentials: dict[str, str], query: str, texts: list[str]
    ) -> list[tuple[int, float]]:
        path = f"plugin/{tenant_id}/dispatch/rerank/invoke"
        asked = {"model": model, "credentials": credentials, "query": query, "texts": texts}
        return [(int(index), float(score)) for index, score in self._ask("POST", path, json=asked)]

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        return _data(self._send(method, path, **options).json())

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = f"{self._url}/{path}"
        try:
            answer = requests.request(method, url, headers=self._headers, timeout=TIMEOUT, **options)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise DaemonUnreachableError(path) from error
        return answer


def _data(envelope: dict[str, Any]) -> Any:
    if envelope["code"] != 0:
        raise DaemonError(envelope["kind"], envelope["message"])
    return envelope["data"]
