"""What a chat page has to know of an app (recording "v1 parameters", "webapp parameters")."""

from __future__ import annotations

from typing import Any

from .store import Document

NAMES = (
    "opening_statement",
    "suggested_questions",
    "suggested_questions_after_answer",
    "speech_to_text",
    "text_to_speech",
    "retriever_resource",
    "annotation_reply",
    "more_like_this",
    "user_input_form",
    "sensitive_word_avoidance",
    "file_upload",
)
LIMITS = {
    "image_file_size_limit": 10,
    "video_file_size_limit": 100,
    "audio_file_size_limit": 50,
    "file_size_limit": 15,
    "workflow_file_upload_limit": 10,
}


def parameters(app: Document) -> dict[str, Any]:
    """The configuration's public part; sizes are in MiB."""
    config = app["config"] or {}
    return {**{name: config.get(name) for name in NAMES}, "system_parameters": LIMITS}
