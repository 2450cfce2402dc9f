"""What lies in a model's folder, compared with its manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MANIFEST = ".manifest.json"

# Formats of weights; where a folder has several, vLLM takes the first.
WEIGHTS = (".safetensors", ".bin", ".gguf")


@dataclass(frozen=True)
class ModelFiles:
    """A model's folder as found on a host.

    Attributes:
        sizes: path below the folder to size in bytes; empty when there is no folder.
        manifest: our record of what was downloaded, ``None`` when there is none.
        config: the model's own ``config.json``.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_model(self) -> bool:
        return bool(self.config) and any(path.endswith(WEIGHTS) for path in self.sizes)

    @property
    def weights(self) -> int:
        """Bytes of the weights that vLLM loads: those of one format, in the folder itself."""
        here = {path: size for path, size in self.sizes.items() if "/" not in path}
        totals = (sum(size for path, size in here.items() if path.endswith(kind)) for kind in WEIGHTS)
        return next((total for total in totals if total), 0)

    @property
    def fingerprint(self) -> str:
        """Tells one download from another; of an own folder, by its sizes.

        The manifest names the moment of the download. So a model that was healed has another fingerprint,
        although it holds the same files as before: a server that loaded the damaged ones is restarted, also
        when the run that healed them died before it came to that.
        """
        text = json.dumps(
            [self.manifest, None if self.manifest else sorted(self.sizes.items())], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def problem(self, model: str, revision: str) -> str | None:
        """Why this is not the complete download of a model, ``None`` when it is."""
        if not self.sizes:
            return "not there"
        if self.manifest is None:
            return "no manifest"
        if (found := (self.manifest.get("model"), self.manifest.get("revision"))) != (model, revision):
            return f"is {found[0]} at {found[1]}"
        for file in self.manifest.get("files", []):
            size = self.sizes.get(file["path"])
            if size != file["size"]:
                return (
                    f"{file['path']} has {size} bytes instead of {file['size']}"
                    if size
                    else f"no {file['path']}"
                )
        return None
