"""GPUs and lengths: each refusal with its numbers and what to change, and what is not refused."""

from __future__ import annotations

from typing import Any

import pytest

from provision.domain.deployment import ModelServer
from provision.domain.fits import gpu_problems, length_problem
from provision.domain.hardware import Gpu, Nvidia
from provision.domain.model_files import ModelFiles
from provision.domain.model_size import PUBLISHED, Model, sized
from provision.domain.packages import Packages
from provision.domain.settings import MODEL_ROLES, ModelRole, ModelSettings, ServingSettings
from provision.domain.validation import parse

GIB = 1024**3
CUDA_13 = Packages("0.32.0", (13, 0))
CUDA_12 = Packages("0.15.0", (12, 8))
QWEN = PUBLISHED["Qwen/Qwen3-0.6B"]
FILE = "serving.vllm_requirements = 'requirements/vllm-cuda.txt'"


def server(role: ModelRole = "chat", serving: dict[str, Any] | None = None, **settings: Any) -> ModelServer:
    checked = parse(role, settings, where="host")
    assert isinstance(checked, ModelSettings)
    return ModelServer(role, "host", checked, ServingSettings(**serving or {}), "http://host:8080/v1")


def card(index: int = 0, gib: float | None = 24, capability: tuple[int, int] | None = (8, 9)) -> Gpu:
    return Gpu(index, "RTX 4090", None if gib is None else int(gib * GIB), capability)


def box(*gpus: Gpu, driver: str = "580.95.05", cuda: tuple[int, int] | None = (13, 0)) -> Nvidia:
    return Nvidia(gpus or (card(),), driver, cuda)


def problems(
    *servers: ModelServer, found: Nvidia, brings: Packages = CUDA_13, model: Model | None = QWEN
) -> list[str]:
    servers = servers or (server(),)
    models = {each.role: model for each in servers if model}
    return list(gpu_problems(servers, brings, found, models))


def test_the_defaults_fit_a_small_card() -> None:
    assert problems(found=box(card(gib=4))) == []


@pytest.mark.parametrize(
    ("brings", "found"),
    [
        (Packages("0.32.0+cpu", None), box(driver="390.1", cuda=None)),
        (Packages("0.32.0+cpu", None), Nvidia(error="Driver/library version mismatch")),
        (CUDA_13, Nvidia()),
    ],
    ids=["a build without CUDA", "a build without CUDA, broken driver", "a host without nvidia-smi"],
)
def test_nothing_to_check(brings: Packages, found: Nvidia) -> None:
    assert problems(found=found, brings=brings) == []


def test_a_broken_driver() -> None:
    assert problems(found=Nvidia(error="Driver/library version mismatch")) == [
        f"{FILE} is a build for NVIDIA GPUs, but nvidia-smi says 'Driver/library version mismatch'; repair "
        "or reload the driver (often a restart does), or name a build for the CPU"
    ]


@pytest.mark.parametrize(
    ("brings", "driver", "cuda", "text"),
    [
        (CUDA_13, "535.161.08", (12, 2), "brings CUDA 13.0, which needs NVIDIA's driver 580 or newer; "
         "here is 535.161.08 (CUDA 12.2); update the driver, or name a file with an older build of vLLM"),
        (CUDA_12, "470.256.02", (11, 4), "brings CUDA 12.8, which needs NVIDIA's driver 525 or newer; "
         "here is 470.256.02 (CUDA 11.4); update"),
        (Packages("9.0", (14, 0)), "535.1", None, "NVIDIA's driver 580 or newer; here is 535.1; update"),
    ],
)  # fmt: skip
def test_a_driver_that_is_too_old(
    brings: Packages, driver: str, cuda: tuple[int, int] | None, text: str
) -> None:
    (found,) = problems(found=box(driver=driver, cuda=cuda), brings=brings)
    assert found.startswith(FILE)
    assert text in found


@pytest.mark.parametrize(
    ("brings", "driver", "cuda"),
    [
        (CUDA_12, "525.60.13", (12, 0)),
        (CUDA_12, "580.95.05", (13, 0)),
        (CUDA_13, "580.65.06", None),
        (CUDA_13, "535.161.08", (13, 0)),
        (CUDA_13, "", None),
    ],
    ids=["same major version", "newer driver", "oldest", "forward compatibility package", "not told"],
)
def test_drivers_that_do(brings: Packages, driver: str, cuda: tuple[int, int] | None) -> None:
    assert problems(found=box(driver=driver, cuda=cuda), brings=brings) == []


def test_a_gpu_that_is_too_old() -> None:
    volta = Gpu(1, "Tesla V100", 16 * GIB, (7, 0))
    assert problems(found=box(card(), volta)) == [
        f"{FILE} brings vLLM 0.32.0 for CUDA 13.0, which needs compute capability 7.5 or higher; GPU 1 "
        "(Tesla V100) has 7.0; use a newer GPU, or name a file with an older build of vLLM"
    ]
    assert problems(found=box(volta), brings=CUDA_12) == []
    assert len(problems(found=box(volta), brings=Packages("0.31.0", (12, 9)))) == 1
    pascal = box(card(capability=(6, 1)))
    assert "needs compute capability 7.0 or higher" in problems(found=pascal, brings=CUDA_12)[0]
    assert problems(found=box(card(capability=None))) == []


def big(**config: Any) -> Model:
    """15 GiB of weights, 16 bits, 36 layers: an 8 B model."""
    shape = {"num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128}
    return Model(15 * GIB, {**shape, "torch_dtype": "bfloat16", **config})


def test_memory_for_weights_and_cache() -> None:
    (found,) = problems(server(max_model_len=32768), found=box(card(gib=16)), model=big())
    assert found == (
        "chat.model = 'Qwen/Qwen3-0.6B' needs about 22.5 GiB on its GPU (weights of 15.0 GiB x 1.2, "
        "4.5 GiB of cache for chat.max_model_len = 32768); GPU 0 (RTX 4090) has 16.0 GiB, of which "
        "--gpu-memory-utilization 0.92 allows 14.7 GiB; raise that in chat.extra_args, lower "
        "chat.max_model_len, raise chat.tensor_parallel_size, or choose a smaller model"
    )
    assert problems(server(max_model_len=1024), found=box(card(gib=24)), model=big()) == []


def test_an_own_folder_is_named_by_its_setting() -> None:
    own = server(model_path="/mnt/d/Model/Qwen3")
    (found,) = problems(own, found=box(card(gib=8)), model=big())
    assert found.startswith("chat.model_path = '/mnt/d/Model/Qwen3' needs about 18.1 GiB")


def test_memory_is_shared_by_the_gpus_of_one_model() -> None:
    two = box(card(0, 12), card(1, 12))
    assert problems(server(tensor_parallel_size=2), found=two, model=big()) == []
    assert problems(server(tensor_parallel_size="auto"), found=two, model=big()) == []
    assert "about 18.1 GiB on its GPU" in problems(server(), found=two, model=big())[0]
    assert (
        "about 9.1 GiB on each of 2 GPUs"
        in problems(server(tensor_parallel_size=2), found=box(card(0, 8), card(1, 8)), model=big())[0]
    )


def test_the_given_share_of_memory_counts() -> None:
    args = ["--gpu_memory_utilization=0.1"]
    (found,) = problems(server(extra_args=args), found=box(card(gib=8)))
    assert "--gpu-memory-utilization 0.1 allows 0.8 GiB" in found
    assert problems(server(extra_args=["--gpu-memory-utilization", "0.5"]), found=box(card(gib=8))) == []


@pytest.mark.parametrize(
    "arguments", [["--cpu-offload-gb", "10"], ["-q", "fp8"], ["--quantization=bitsandbytes"], ["-pp", "2"]]
)
def test_memory_is_not_judged_where_arguments_change_it(arguments: list[str]) -> None:
    assert problems(server(extra_args=arguments), found=box(card(gib=8)), model=big()) == []


def test_what_is_not_known_is_not_refused() -> None:
    assert problems(found=box(card(gib=None)), model=big()) == []
    assert problems(found=box(card(gib=1)), model=None) == []
    by_uuid = server(env={"CUDA_VISIBLE_DEVICES": "GPU-8f2c"}, tensor_parallel_size=2)
    assert problems(by_uuid, found=box(card(gib=1)), model=big()) == []


def test_more_gpus_than_there_are() -> None:
    assert problems(server(tensor_parallel_size=4), found=box(card(0), card(1))) == [
        "chat.tensor_parallel_size = 4, but the GPUs that it may use are 2; lower it, or let it use more "
        "(chat.env, CUDA_VISIBLE_DEVICES)"
    ]
    one = server(tensor_parallel_size=2, env={"CUDA_VISIBLE_DEVICES": "1,7"})
    assert "the GPUs that it may use are 1;" in problems(one, found=box(card(0), card(1)))[0]


def test_heads_must_be_divided() -> None:
    three = box(card(0), card(1), card(2))
    assert problems(server(tensor_parallel_size="auto"), found=three) == [
        "chat.tensor_parallel_size = 3 does not divide the 16 attention heads of chat.model = "
        "'Qwen/Qwen3-0.6B'; set it to 2"
    ]


def shared(*shares: str) -> list[ModelServer]:
    given = [["--gpu-memory-utilization", share] if share else [] for share in shares]
    return [server(role, extra_args=arguments) for role, arguments in zip(MODEL_ROLES, given, strict=True)]


def test_servers_that_share_a_gpu() -> None:
    small = Model(100_000_000, {})
    (found,) = problems(*shared("", "0.15", ""), found=box(), model=small)
    assert found == (
        "chat and embed and score share GPU 0 (RTX 4090) and take 0.92 + 0.15 + 0.92 = 1.99 of its memory; "
        "give each its part in extra_args (--gpu-memory-utilization), or a GPU of its own in env "
        "(CUDA_VISIBLE_DEVICES)"
    )
    assert problems(*shared("0.5", "0.25", "0.25"), found=box(), model=small) == []
    apart = [
        server("chat", env={"CUDA_VISIBLE_DEVICES": "0"}),
        server("embed", env={"CUDA_VISIBLE_DEVICES": "1"}),
    ]
    assert problems(*apart, found=box(card(0), card(1)), model=small) == []


@pytest.mark.parametrize(
    ("role", "length", "limit"), [("chat", 50000, 40960), ("embed", 513, 512), ("score", 514, 512)]
)
def test_a_length_that_the_model_does_not_have(role: ModelRole, length: int, limit: int) -> None:
    this = server(role, max_model_len=length)
    model = sized(this, ModelFiles())
    assert length_problem(this, model) == (
        f"{role}.max_model_len = {length}, but {role}.model = {this.settings.model!r} takes {limit} tokens "
        f"at most; set {role}.max_model_len to {limit} or less"
    )
    assert length_problem(server(role, max_model_len=limit), model) is None


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        ({}, {}),
        ({}, {"max_position_embeddings": 1024, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
        ({}, {"max_position_embeddings": 1024, "model_max_length": 2048}),
        ({}, {"text_config": {"max_position_embeddings": 4096}, "max_position_embeddings": 77}),
        ({"env": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}}, {"max_position_embeddings": 1024}),
        ({"extra_args": ["--hf-overrides", "{}"]}, {"max_position_embeddings": 1024}),
    ],
    ids=["not said", "stretched", "allowed by the model", "a part of its own", "allowed", "overridden"],
)
def test_lengths_that_may_be(settings: dict[str, Any], config: dict[str, Any]) -> None:
    assert length_problem(server(max_model_len=2048, **settings), Model(1, config)) is None


def test_the_size_of_a_model_is_that_of_its_files() -> None:
    config = {"max_position_embeddings": 40960, "torch_dtype": "float32"}
    sizes = {
        "model-00001-of-00002.safetensors": 600,
        "model-00002-of-00002.safetensors": 400,
        "pytorch_model.bin": 1000,
        "onnx/model.safetensors": 5000,
        "tokenizer.json": 50,
    }
    found = sized(server(model_path="/m"), ModelFiles(sizes, None, config))
    assert found is not None
    assert (found.weights, found.loaded) == (1000, 500)


def test_a_size_that_cannot_be_known_yet() -> None:
    empty = ModelFiles()
    assert sized(server(), empty) is QWEN
    assert sized(server(model="Qwen/Qwen3-8B"), empty) is None
    assert sized(server(serving={"hub_endpoint": "http://hub"}), empty) is None


def test_the_cache_of_the_owners_model() -> None:
    assert QWEN.cache(1024) == 2 * 28 * 8 * 128 * 2 * 1024
    assert Model(1, {}).cache(1024) == 0
