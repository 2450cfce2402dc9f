"""How Dify reaches one model: its endpoint, key and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from provision.dify.client import Dify
from provision.dify.errors import DifyError
from provision.dify.resources.base import PROVIDER
from provision.domain.wiring.credentials import (
    CredentialAction,
    CredentialPlan,
    StoredCredential,
    WantedCredential,
    complete_fields,
    plan_credential,
)
from provision.domain.wiring.masking import credential_name

ModelType = Literal["llm", "text-embedding", "rerank"]

# Seconds. Dify saves only after the plugin has tried the endpoint, which may take the plugin 300 s.
_SAVE_TIMEOUT = 330.0
# After a start the plugin daemon launches its plugins in the background; a refused save changed nothing.
_RUNTIME_MISSING = ("no available node", "plugin runtime not found")
_RUNTIME_PAUSE = 5.0
_RUNTIME_PATIENCE = 180.0
_ENDPOINT_ADVICE = (
    "the request to the endpoint comes from Dify's plugin_daemon container: from there the URL must be "
    "reachable, end with /v1, serve this model name and accept this key"
)


@dataclass
class ModelCredential:
    """The credential of one model, and with it the model itself.

    Args:
        model: the name in Dify; also what is sent to the endpoint unless ``endpoint_model_name`` is given.
        credentials: the managed fields of the provider's form except the key, all of them strings
            (a number would make Dify answer 500). Other fields keep what they have.
        api_key: the endpoint's key, empty when it wants none.
        salt: for the key's fingerprint, see `provision.domain.wiring.masking.credential_name`.
        provider: in three parts.
    """

    dify: Dify = field(repr=False)
    model: str
    model_type: ModelType
    credentials: Mapping[str, str]
    api_key: str = field(repr=False)
    salt: bytes = field(repr=False)
    provider: str = PROVIDER

    def __post_init__(self) -> None:
        self.dify.transport.hide(self.api_key)
        self._wanted = WantedCredential(
            credential_name(self.api_key, self.salt), self.credentials, self.api_key
        )

    @property
    def title(self) -> str:
        return f"Connect the {self.model_type} model {self.model}"

    def difference(self) -> str | None:
        try:
            return plan_credential(self._wanted, self._stored()).reason or None
        except DifyError as error:
            if _provider_missing(error):
                return f"the provider {self.provider} is not installed"
            raise

    def apply(self) -> None:
        done: set[CredentialAction] = set()
        while True:
            stored = self._stored()
            plan = plan_credential(self._wanted, stored)
            if plan.action is CredentialAction.NOTHING:
                return
            if plan.action in done:
                # Never twice: a second "add" would stack another credential.
                raise DifyError(self.title, f"Dify accepted it, but {plan.reason}")
            self._carry_out(plan, stored)
            done.add(plan.action)

    def _stored(self) -> StoredCredential:
        try:
            reply = self.dify.console.send(
                self.title,
                "GET",
                self._path(),
                query={"model": self.model, "model_type": self.model_type},
                repeatable=True,
            )
        except DifyError as error:
            if _provider_missing(error):
                raise error.advised("install its plugin first") from None
            raise
        available = reply.optional("available_credentials", list) or []
        return StoredCredential(
            fields=reply.optional("credentials", dict) or {},
            active_id=reply.optional("current_credential_id", str),
            active_name=reply.optional("current_credential_name", str),
            available=tuple((str(item["credential_id"]), str(item["credential_name"])) for item in available),
        )

    def _carry_out(self, plan: CredentialPlan, stored: StoredCredential) -> None:
        target: dict[str, object] = {"model": self.model, "model_type": self.model_type}
        if plan.credential_id is not None:
            target["credential_id"] = plan.credential_id
        if plan.action is CredentialAction.SWITCH:
            self.dify.console.send(self.title, "POST", self._path("switch"), body=target)
            return
        adding = plan.action is CredentialAction.ADD
        fields = complete_fields(self._wanted, None if adding else stored)
        body = {**target, "name": self._wanted.name, "credentials": fields}
        self._save("POST" if adding else "PUT", body)

    def _save(self, method: str, body: Mapping[str, object]) -> None:
        deadline = self.dify.transport.clock() + _RUNTIME_PATIENCE
        while True:
            try:
                self.dify.console.send(
                    self.title, method, self._path(), body=body, read_timeout=_SAVE_TIMEOUT
                )
                return
            except DifyError as error:
                starting = any(text in error.problem for text in _RUNTIME_MISSING)
                if not starting or self.dify.transport.clock() >= deadline:
                    raise error.advised(error.advice or _ENDPOINT_ADVICE) from None
            self.dify.transport.sleep(_RUNTIME_PAUSE)

    def _path(self, last: str = "") -> str:
        path = f"workspaces/current/model-providers/{self.provider}/models/credentials"
        return f"{path}/{last}" if last else path


def _provider_missing(error: DifyError) -> bool:
    return error.status == 400 and "does not exist" in error.problem
