"""How Dify reaches one model: its endpoint, key and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from provision.dify.client import Dify
from provision.dify.dialects.credentials import Write, stored_credential
from provision.dify.errors import DifyError
from provision.dify.resources.base import PROVIDER
from provision.dify.runtimes import when_accepted
from provision.dify.transport import READ_TIMEOUT
from provision.domain.providers import ModelType
from provision.domain.wiring.credentials import (
    CredentialAction,
    CredentialPlan,
    StoredCredential,
    WantedCredential,
)
from provision.domain.wiring.masking import credential_name
from provision.domain.wiring.versions import Version

# Seconds. Dify saves only after the plugin has tried the endpoint, which may take the plugin 300 s.
_SAVE_TIMEOUT = 330.0
_ENDPOINT_ADVICE = (
    "the request to the endpoint comes from Dify's plugin_daemon container: from there the URL must be "
    "reachable, end with /v1, serve this model name and accept this key"
)
# Releases from here on do not find the credentials that older ones have stored (see domain/upgrades.py).
_RENAMED = Version(1, 14, 0)
_UNFOUND = "Credential record not found"
_RENAMED_ADVICE = (
    "a credential of a release before 1.14: on the Dify host, in its docker folder, run docker compose exec "
    "api flask data-migrate legacy-model-types --apply (1.15.0 and newer have it), then run again"
)
_STALE_ADVICE = "its plugin is installed, but Dify does not list it: see docker compose logs plugin_daemon"


@dataclass
class ModelCredential:
    """The credential of one model, and with it the model itself.

    Args:
        model: the name in Dify; also what is sent to the endpoint unless ``endpoint_model_name`` is given.
        credentials: the managed fields of the provider's form except the key, all of them strings
            (a number would make Dify answer 500). Other fields keep what they have. A field that the form of
            the installed plugin does not have is left out, as Dify would drop it; one that an older plugin
            spells otherwise is sent under that name.
        api_key: the endpoint's key, empty when it wants none.
        salt: for the key's fingerprint, see `provision.domain.wiring.masking.credential_name`; it is the
            credential's name, and up to 1.7.2 part of its label, see `provision.domain.wiring.upserts`.
        provider: in three parts.
        needs: fields that the installed plugin's form must have, and for each what to do when it has not.
    """

    dify: Dify = field(repr=False)
    model: str
    model_type: ModelType
    credentials: Mapping[str, str]
    api_key: str = field(repr=False)
    salt: bytes = field(repr=False)
    provider: str = PROVIDER
    needs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dify.transport.hide(self.api_key)

    @property
    def title(self) -> str:
        return f"Connect the {self.model_type} model {self.model}"

    def difference(self) -> str | None:
        try:
            _, _, plan = self._planned(self._stored())
        except DifyError as error:
            if _provider_missing(error):
                return f"the provider {self.provider} is not installed"
            raise
        return plan.reason or None

    def apply(self) -> None:
        done: set[CredentialAction] = set()
        while when_accepted(self.dify.transport, partial(self._step, done)) is not CredentialAction.NOTHING:
            pass

    def _step(self, done: set[CredentialAction]) -> CredentialAction:
        """One step from what there is now, which no accepted one of those that are `done` may be again."""
        wanted, stored, plan = self._planned(self._stored_by_now())
        if plan.action in done:
            # Never twice: a second "add" would stack another credential.
            raise DifyError(self.title, f"Dify accepted it, but {plan.reason}")
        if plan.action is not CredentialAction.NOTHING:
            model = {"model": self.model, "model_type": self.model_type}
            self._carry_out(self.dify.generation.credentials.write(plan, model, wanted, stored))
            done.add(plan.action)
        return plan.action

    def _planned(self, stored: StoredCredential) -> tuple[WantedCredential, StoredCredential, CredentialPlan]:
        """The next step, the wanted credential in the installed plugin's words, and the stored one without
        the masks of its form's other secrets, as a step may send it back."""
        dialect = self.dify.generation.credentials
        named = WantedCredential(credential_name(self.api_key, self.salt), self.credentials, self.api_key)
        wanted = dialect.prepared(named, self.model, stored)
        plan = dialect.plan(wanted, stored)
        if plan.action is CredentialAction.NOTHING:
            return wanted, stored, plan
        # Only now is the form worth a request: it may not have what differs.
        form = self.dify.providers.form(self.provider)
        if form is None:
            return wanted, stored, plan
        wanted = replace(wanted, fields=form.fitted(wanted.fields, self.model_type))
        for name, what_to_do in self.needs.items():
            if name not in wanted.fields:
                raise DifyError(self.title, f"the installed plugin has no {name}", what_to_do)
        plan = dialect.plan(wanted, stored)
        return wanted, replace(stored, fields=form.sendable(stored.fields)), plan

    def _stored(self) -> StoredCredential:
        reply = self.dify.console.send(
            self.title,
            "GET",
            self._path("credentials"),
            query={"model": self.model, "model_type": self.model_type},
            repeatable=True,
        )
        return stored_credential(reply)

    def _stored_by_now(self) -> StoredCredential:
        """Like `_stored`; a provider that Dify's list of them lacks although it is installed is found."""
        try:
            return self._stored()
        except DifyError as error:
            if not _provider_missing(error):
                raise
            if not self.dify.providers.refresh(self.provider):
                raise error.advised("install its plugin first") from None
        try:
            return self._stored()
        except DifyError as error:
            raise error.advised(error.advice or _STALE_ADVICE) from None

    def _carry_out(self, write: Write) -> None:
        path = self._path(write.path)
        timeout = _SAVE_TIMEOUT if write.saves else READ_TIMEOUT
        try:
            self.dify.console.send(self.title, write.method, path, body=write.body, read_timeout=timeout)
        except DifyError as error:
            advice = _ENDPOINT_ADVICE if write.saves else ""
            if _UNFOUND in error.problem and self.dify.version >= _RENAMED:
                advice = _RENAMED_ADVICE
            raise error.advised(error.advice or advice) from None

    def _path(self, last: str) -> str:
        path = f"workspaces/current/model-providers/{self.provider}/models"
        return f"{path}/{last}" if last else path


def _provider_missing(error: DifyError) -> bool:
    return error.is_bad_request and "does not exist" in error.problem
