"""A model is complete when every file of its manifest is there with its size."""

from __future__ import annotations

import dataclasses

from provision.domain.model_files import ModelFiles

MANIFEST = {
    "model": "a/b",
    "revision": "master",
    "files": [{"path": "m.safetensors", "size": 5, "sha256": "x"}],
}
WHOLE = ModelFiles({"m.safetensors": 5, "config.json": 9, ".manifest.json": 1}, MANIFEST, {"hidden_size": 64})


def test_complete() -> None:
    assert WHOLE.problem("a/b", "master") is None
    assert WHOLE.is_model


def test_what_is_wrong_is_said() -> None:
    assert ModelFiles().problem("a/b", "master") == "not there"
    assert ModelFiles({"x": 1}).problem("a/b", "master") == "no manifest"
    assert WHOLE.problem("a/b", "v2") == "is a/b at master"
    cut = dataclasses.replace(WHOLE, sizes={"m.safetensors": 4})
    assert cut.problem("a/b", "master") == "m.safetensors has 4 bytes instead of 5"
    gone = dataclasses.replace(WHOLE, sizes={"config.json": 9})
    assert gone.problem("a/b", "master") == "no m.safetensors"


def test_another_download_has_another_fingerprint() -> None:
    other = dataclasses.replace(WHOLE, manifest={**MANIFEST, "revision": "v2"})
    assert other.fingerprint != WHOLE.fingerprint
    healed = dataclasses.replace(WHOLE, manifest={**MANIFEST, "verified": "2026-11-22T10:00:00+00:00"})
    assert healed.fingerprint != WHOLE.fingerprint
    own = ModelFiles({"m.safetensors": 5}, None, {"a": 1})
    assert own.fingerprint != dataclasses.replace(own, sizes={"m.safetensors": 6}).fingerprint
