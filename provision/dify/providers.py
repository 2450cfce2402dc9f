"""Reading Dify's model providers: the form of one, and whether Dify's own list of them is stale."""

from __future__ import annotations

from collections.abc import Collection

from provision.dify.errors import DifyError
from provision.dify.session import Session
from provision.domain.wiring.provider_form import ProviderForm

_PLUGIN, _MODELS = "workspaces/current/plugin", "workspaces/current/model-providers"
_STALE_ADVICE = "restart Dify's api and plugin_daemon containers, then run again"


class Providers:
    """The workspace's model providers, by their names in three parts (author/plugin/provider)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def form(self, provider: str) -> ProviderForm | None:
        """The form of its models' credentials; None when Dify does not show it as expected."""
        reply = self._session.send(f"Read the form of {provider}", "GET", _MODELS, repeatable=True)
        for item in reply.objects("data"):
            if item.get("provider") == provider:
                return ProviderForm.parse(item.get("model_credential_schema"))
        return None

    def unlisted(self, provider: str, models: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of these models (type and name) that are connected and yet not on Dify's list.

        Dify leaves out, without a word, what the plugin gives no schema of
        (``get_provider_models`` of ``core/entities/provider_configuration.py``, 1.3.1 to 1.16.1); of a model
        that was switched off or taken off the list by hand it is not said.
        """
        step, path = "List the connected models", f"{_MODELS}/{provider}/models"
        reply = self._session.send(step, "GET", path, repeatable=True)
        listed = {(str(item["model_type"]), str(item["model"])) for item in reply.objects("data")}
        missing = [model for model in models if model not in listed]
        return [model for model in missing if self._connected(step, path, *model)]

    def _connected(self, step: str, path: str, model_type: str, model: str) -> bool:
        query = {"model": model, "model_type": model_type}
        reply = self._session.send(step, "GET", f"{path}/credentials", query=query, repeatable=True)
        return bool(reply.optional("credentials", dict))

    def refresh(self, provider: str) -> bool:
        """Have Dify read its providers anew when the plugin of this one is installed.

        Since 1.15.0 Dify keeps the list for 24 hours. When somebody reads it during an installation and
        nobody follows the task to its end, the provider stays missing; repeating the install call, which
        changes nothing else, clears it.

        Returns:
            Whether the plugin is installed, so that the provider should be there now.
        """
        step = f"Refresh the provider {provider}"
        plugin_id = provider.rpartition("/")[0]
        reply = self._session.send(
            step,
            "POST",
            f"{_PLUGIN}/list/installations/ids",
            body={"plugin_ids": [plugin_id]},
            repeatable=True,
        )
        installed = [item for item in reply.objects("plugins") if item.get("plugin_id") == plugin_id]
        if not installed:
            return False
        identifier = installed[0]["plugin_unique_identifier"]
        try:
            self._session.send(
                step, "POST", f"{_PLUGIN}/install/pkg", body={"plugin_unique_identifiers": [identifier]}
            )
        except DifyError as error:
            if not already_installed(error):
                raise error.advised(error.advice or _STALE_ADVICE) from None
        return True


def already_installed(error: DifyError) -> bool:
    """Up to 1.10.1 installing what is installed is an error; later it is a success without a task."""
    return error.is_bad_request and "already installed" in error.problem
