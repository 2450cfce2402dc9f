"""How large a model is, from its own files or, before they are downloaded, from what its authors publish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from provision.domain.deployment import ModelServer
from provision.domain.model_files import ModelFiles
from provision.domain.settings import ModelRole

# Position 0 and 1 of RoBERTa's table are never used: positions start behind the padding token's number, 1.
ROBERTA = {"camembert", "roberta", "xlm-roberta", "xlm-roberta-xl"}
ROBERTA_UNUSED = 2


@dataclass(frozen=True)
class Model:
    """A model as far as its size goes.

    Attributes:
        weights: bytes of its weights on disk.
        config: its ``config.json``.
    """

    weights: int
    config: Mapping[str, Any]

    @property
    def loaded(self) -> int:
        """Bytes of the weights in memory: vLLM loads 32-bit weights as 16-bit ones (``--dtype auto``)."""
        dtype = self.config.get("dtype") or self.config.get("torch_dtype")
        return self.weights // 2 if dtype == "float32" else self.weights

    @property
    def heads(self) -> int | None:
        """Attention heads, which the GPUs that share the model must divide."""
        return self._number("num_attention_heads")

    @property
    def limit(self) -> int | None:
        """Longest sequence the model was made for; ``None`` when its configuration does not say."""
        config = self._text
        scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
        length = self._number("max_position_embeddings")
        if length is None or (isinstance(scaling, Mapping) and scaling.get("factor")):
            return None
        if config.get("model_type") in ROBERTA:
            length -= ROBERTA_UNUSED
        # vLLM lets this one allow more than the table of positions does.
        return max(length, self._number("model_max_length") or 0)

    def cache(self, tokens: int) -> int:
        """Bytes of keys and values, 16 bits each, for one sequence."""
        layers, heads = self._number("num_hidden_layers"), self.heads
        if not layers or not heads:
            return 0
        shared = self._number("num_key_value_heads") or heads
        size = self._number("head_dim") or (self._number("hidden_size") or 0) // heads
        return 2 * layers * shared * size * 2 * tokens

    @property
    def _text(self) -> Mapping[str, Any]:
        nested = self.config.get("text_config")
        return nested if isinstance(nested, Mapping) else self.config

    def _number(self, key: str) -> int | None:
        value = self._text.get(key)
        return value if type(value) is int else None


# Sizes: 752 million parameters of 16 bits (Qwen3-0.6B's card and config: 0.44 billion beside two tables of
# 151936 x 1024); 409 MB and 1.11 GB as published by BAAI (bge-model.com, "BGE v1 & v1.5", "BGE-Reranker").
# Shapes: config.json of each on its hub.
PUBLISHED = {
    "Qwen/Qwen3-0.6B": Model(
        1_504_000_000,
        {
            "model_type": "qwen3", "num_hidden_layers": 28, "num_attention_heads": 16, "head_dim": 128,
            "num_key_value_heads": 8, "max_position_embeddings": 40960, "torch_dtype": "bfloat16",
        },
    ),
    "BAAI/bge-base-zh-v1.5": Model(
        409_000_000,
        {
            "model_type": "bert", "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768,
            "max_position_embeddings": 512, "torch_dtype": "float32",
        },
    ),
    "BAAI/bge-reranker-base": Model(
        1_110_000_000,
        {
            "model_type": "xlm-roberta", "num_hidden_layers": 12, "num_attention_heads": 12,
            "hidden_size": 768, "max_position_embeddings": 514, "torch_dtype": "float32",
        },
    ),
}  # fmt: skip


def sized(server: ModelServer, files: ModelFiles) -> Model | None:
    """The model of a server: as it lies on the host, else as published, else ``None``.

    Args:
        server: the model and its settings.
        files: what the model's folder holds now.
    """
    if files.is_model:
        return Model(files.weights, files.config)
    if server.settings.model_path or server.serving.hub_endpoint:
        return None  # another hub may serve other files under the same name
    return PUBLISHED.get(server.settings.model)


def known(servers: Iterable[ModelServer], folders: Mapping[ModelRole, ModelFiles]) -> dict[ModelRole, Model]:
    """The models of a host that can be sized; ``folders`` is what the folder of each holds now."""
    return {server.role: model for server in servers if (model := sized(server, folders[server.role]))}
