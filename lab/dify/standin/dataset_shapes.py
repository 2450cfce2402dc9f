"""How datasets, documents and chunks are written (recording "dataset…", "document…", "retrieve…")."""

from __future__ import annotations

from typing import Any

from . import dataset_store
from .context import Site
from .store import Document

PERMISSIONS = (
    "dataset.acl.preview",
    "dataset.acl.readonly",
    "dataset.acl.edit",
    "dataset.acl.import_export_dsl",
    "dataset.acl.pipeline_test",
    "dataset.acl.document_download",
    "dataset.acl.retrieval_recall",
    "dataset.acl.use",
    "dataset.acl.delete_file",
    "dataset.acl.pipeline_release",
    "dataset.acl.delete",
    "dataset.acl.access_config",
    "dataset.api_key.manage",
)
DISPLAYED = {"completed": "available", "waiting": "queuing", "error": "error", "paused": "paused"}
EXTERNAL = ("id", "api_id", "api_name", "api_endpoint")


def dataset(site: Site, found: Document, *, available: bool | None = None) -> dict[str, Any]:
    """A dataset as the service API writes it.

    Args:
        available: whether its embedding model is there; only reads tell.
    """
    documents = dataset_store.documents(site, found["id"])
    searched = [each for each in documents if each["status"] == "completed" and each["enabled"]]
    retrieval = found["retrieval"]
    account = site.store.get("account", found["created_by"]) or {}
    named = ("id", "name", "description")
    models = ("embedding_model", "embedding_model_provider")
    return {
        **{name: found[name] for name in named},
        "provider": "vendor",
        "permission": found["permission"],
        "data_source_type": "upload_file" if documents else None,
        "indexing_technique": found["indexing_technique"],
        "app_count": _apps(site, found["id"]),
        "document_count": len(documents),
        "word_count": sum(each["word_count"] or 0 for each in documents),
        "created_by": found["created_by"],
        "author_name": account.get("name"),
        "created_at": found["created_at"],
        "updated_by": found["updated_by"],
        "updated_at": found["updated_at"],
        **{name: found[name] for name in models},
        "embedding_available": available,
        "retrieval_model_dict": retrieval or dataset_store.UNSET_RETRIEVAL,
        "summary_index_setting": dict.fromkeys(
            ("enable", "model_name", "model_provider_name", "summary_prompt")
        ),
        "tags": [],
        "doc_form": documents[0]["doc_form"] if documents else None,
        "external_knowledge_info": {f"external_knowledge_{name}": None for name in EXTERNAL},
        "external_retrieval_model": _external(retrieval),
        "doc_metadata": [],
        "built_in_field_enabled": False,
        "pipeline_id": None,
        "runtime_mode": "general",
        "chunk_structure": None,
        "icon_info": dict.fromkeys(("icon_type", "icon", "icon_background", "icon_url")),
        "is_published": False,
        "total_documents": len(documents),
        "total_available_documents": len(searched),
        "enable_api": True,
        "is_multimodal": False,
        "maintainer": found["created_by"],
    }


def for_console(shown: dict[str, Any], members: list[str] | None) -> dict[str, Any]:
    """A dataset as the console's API writes it: with what the account may do."""
    maintainer = shown.pop("maintainer")
    return {
        **shown,
        "permission_keys": list(PERMISSIONS),
        "maintainer": maintainer,
        "partial_member_list": members,
    }


def document(site: Site, found: Document) -> dict[str, Any]:
    # A number that is not known yet was 0 before 1.8.0 (flask-restful).
    unknown = None if site.settings.since("1.8.0") else 0
    detail = {
        **{name: found["file"][name] for name in ("id", "name", "size", "extension", "mime_type")},
        "created_by": found["created_by"],
        "created_at": found["file"]["created_at"],
    }
    return {
        "id": found["id"],
        "position": found["position"],
        "data_source_type": "upload_file",
        "data_source_info": {"upload_file_id": found["file"]["id"]},
        "data_source_detail_dict": {"upload_file": detail},
        "dataset_process_rule_id": found["rule_id"],
        "name": found["name"],
        "created_from": "api",
        "created_by": found["created_by"],
        "created_at": found["created_at"],
        "tokens": found["tokens"] or unknown,
        "indexing_status": found["status"],
        "error": found["error"],
        "enabled": found["enabled"],
        "disabled_at": None,
        "disabled_by": None,
        "archived": found["archived"],
        "display_status": _displayed(found),
        "word_count": found["word_count"] or unknown,
        "hit_count": 0,
        "doc_form": found["doc_form"],
        "doc_metadata": _empty(site),
        "summary_index_status": None,
        "need_summary": False,
    }


def progress(site: Site, found: Document) -> dict[str, Any]:
    """How far a document's indexing is."""
    chunks = dataset_store.chunks(site, found["id"])
    steps = (
        "processing_started_at",
        "parsing_completed_at",
        "cleaning_completed_at",
        "splitting_completed_at",
    )
    return {
        "id": found["id"],
        "indexing_status": found["status"],
        **dict.fromkeys(steps, found["started_at"]),
        "completed_at": found["completed_at"],
        "paused_at": None,
        "error": found["error"],
        "stopped_at": None,
        "completed_segments": len(chunks),
        "total_segments": len(chunks),
    }


def record(site: Site, chunk: Document, whose: Document, score: float) -> dict[str, Any]:
    """A chunk that was found."""
    dates = dict.fromkeys(("created_at", "indexing_at", "completed_at"), chunk["created_at"])
    segment = {
        **{name: chunk[name] for name in ("id", "position", "document_id", "content")},
        "sign_content": None if site.settings.since("1.15.0") else chunk["content"],
        "answer": None,
        "word_count": len(chunk["content"]),
        "tokens": chunk["tokens"],
        "keywords": _empty(site),
        "index_node_id": chunk["node_id"],
        "index_node_hash": chunk["hash"],
        "hit_count": 0,
        "enabled": True,
        "disabled_at": None,
        "disabled_by": None,
        "status": "completed",
        "created_by": whose["created_by"],
        **dates,
        "error": None,
        "stopped_at": None,
        "document": {
            "id": whose["id"],
            "data_source_type": "upload_file",
            "name": whose["name"],
            "doc_type": None,
            "doc_metadata": None,
        },
    }
    rest = {"tsne_position": None, "files": _empty(site), "summary": None}
    return {"segment": segment, "child_chunks": _empty(site), "score": score, **rest}


def _empty(site: Site) -> list[Any] | None:
    """Nothing in a list: null before 1.15.0, whose answers pydantic writes."""
    return [] if site.settings.since("1.15.0") else None


def _displayed(found: Document) -> str:
    if found["archived"]:
        return "archived"
    if found["status"] == "completed" and not found["enabled"]:
        return "disabled"
    return DISPLAYED.get(found["status"], "indexing")


def _external(retrieval: dict[str, Any] | None) -> dict[str, Any]:
    """An older form of the same settings."""
    if retrieval is None:
        return {"top_k": 2, "score_threshold": 0.0, "score_threshold_enabled": None}
    return {name: retrieval[name] for name in ("top_k", "score_threshold", "score_threshold_enabled")}


def _apps(site: Site, dataset_id: str) -> int:
    configs = [app["config"] or {} for app in site.store.all("app")]
    return sum(dataset_id in attached(config) for config in configs)


def attached(config: dict[str, Any]) -> list[str]:
    """The ids of the datasets that an app's configuration switches on."""
    entries = ((config.get("dataset_configs") or {}).get("datasets") or {}).get("datasets") or []
    found = [entry.get("dataset") or {} for entry in entries]
    return [each["id"] for each in found if each.get("enabled")]
