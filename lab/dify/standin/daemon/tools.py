"""How plugin stablediffusion 0.0.7 tries a credential (contract section 9)."""

from __future__ import annotations

import requests

from .failures import VALIDATION, DaemonError
from .models import POOLING_TIMEOUT, Credentials


def validate(credentials: Credentials) -> None:
    """Ask the service for its models.

    Raises:
        DaemonError: it cannot be reached, or has no such model.
    """
    base_url, model = credentials.get("base_url", ""), credentials.get("model", "")
    if not base_url:
        raise DaemonError(VALIDATION, "Please input base_url")
    if not model:
        raise DaemonError(VALIDATION, "Please input model")
    try:
        answer = requests.get(f"{base_url.rstrip('/')}/sdapi/v1/sd-models", timeout=POOLING_TIMEOUT)
        answer.raise_for_status()
        names = [each["model_name"] for each in answer.json()]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise DaemonError(VALIDATION, f"Failed to get models, {error}") from error
    if model not in names:
        raise DaemonError(VALIDATION, f"model {model} does not exist")
