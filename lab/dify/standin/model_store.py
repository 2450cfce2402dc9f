"""Models and their credentials in the store: a model is on the list once it was given a credential.

Up to 1.13 records hold a model's type under an older name. 1.14 and later read them where they go through all
records, which find their type by either name (``EnumText.process_result_value``, ``models/types.py``), but
not where they ask for a type: those bind the new name (``provider_configuration.py`` 849 and 1130,
``provider_manager.py`` 847 and 1171, of 1.16.1). Here such a record is marked as ``old``, until
``flask data-migrate legacy-model-types --apply`` (`standin.command`) has rewritten it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from .context import Site
from .store import Document, Store

RENAMED = "1.14.0"
AUTOMATIC_NAME = re.compile(r"API KEY (\d+)")


def model(site: Site, model_type: str, name: str) -> Document | None:
    """A model on the list."""
    return site.store.get("model", f"{model_type}/{name}")


def models(site: Site, model_type: str | None = None) -> list[Document]:
    """The models on the list, of one type or of all, in the order in which they were added."""
    return [m for m in site.store.all("model") if model_type in {None, m["model_type"]}]


def put_on_list(site: Site, model_type: str, name: str, credential_id: str | None) -> None:
    entry = {"model": name, "model_type": model_type, "credential_id": credential_id}
    site.store.put("model", f"{model_type}/{name}", entry | mark(site))


def take_off_list(site: Site, model_type: str, name: str) -> None:
    """The credentials stay, and so does a default that names the model."""
    site.store.delete("model", f"{model_type}/{name}")


def credentials(site: Site, model_type: str, name: str) -> list[Document]:
    """A model's credentials, the newest first; it may have some without being on the list."""
    of_it = [c for c in site.store.all("credential") if (c["model_type"], c["model"]) == (model_type, name)]
    found = [c for c in of_it if is_found(site, c)]
    return sorted(found, key=lambda c: float(c["at"]), reverse=True)


def credential(site: Site, model_type: str, name: str, credential_id: str) -> Document | None:
    """One of a model's credentials."""
    return next((c for c in credentials(site, model_type, name) if c["id"] == credential_id), None)


def current(site: Site, model_type: str, name: str) -> Document | None:
    """The credential that a model uses now; read from all records, whatever they call the type."""
    entry = model(site, model_type, name)
    return site.store.get("credential", entry["credential_id"]) if entry and entry["credential_id"] else None


def mark(site: Site) -> Document:
    """What a record that this version writes has besides."""
    return {} if site.settings.since(RENAMED) else {"old": True}


def is_found(site: Site, record: Document) -> bool:
    """Whether this version finds a record when it asks for its type."""
    return not (record.get("old") and site.settings.since(RENAMED))


def canonical(store: Store) -> Iterator[tuple[str, str, Document]]:
    """Records that go by an older name of their type: kind, key, and what they have to be."""
    keys: dict[str, Callable[[Document], str]] = {
        "model": lambda record: f"{record['model_type']}/{record['model']}",
        "credential": lambda record: str(record["id"]),
        "default_model": lambda record: str(record["model_type"]),
    }
    for kind, key in keys.items():
        for record in store.all(kind):
            if record.pop("old", False):
                yield kind, key(record), record


def add_credential(site: Site, model_type: str, name: str, label: str, values: dict[str, str]) -> None:
    """Store another credential; the first one of a model puts it on the list."""
    key = str(uuid.uuid4())
    row = {
        "id": key,
        "model": name,
        "model_type": model_type,
        "name": label,
        "values": values,
        "at": time.time(),
    }
    site.store.put("credential", key, row | mark(site))
    entry = model(site, model_type, name)
    if entry is None or not is_found(site, entry):
        put_on_list(site, model_type, name, key)


def remove_credential(site: Site, model_type: str, name: str, credential_id: str) -> None:
    """Delete a credential; the last one takes the model along, the current one leaves it without."""
    site.store.delete("credential", credential_id)
    entry = model(site, model_type, name)
    if entry is None:
        return
    if not credentials(site, model_type, name):
        take_off_list(site, model_type, name)
    elif entry["credential_id"] == credential_id:
        put_on_list(site, model_type, name, None)


def free_label(site: Site, model_type: str, name: str) -> str:
    """The name that a nameless credential gets: "API KEY n"."""
    taken = [AUTOMATIC_NAME.fullmatch(c["name"]) for c in credentials(site, model_type, name)]
    return f"API KEY {max((int(found[1]) for found in taken if found), default=0) + 1}"


def references(found: list[Document]) -> list[dict[str, Any]]:
    """Credentials as answers name them."""
    return [{"credential_id": c["id"], "credential_name": c["name"]} for c in found]
