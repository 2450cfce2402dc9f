"""Will it fit? What a host's GPUs must have for the vLLM and the models that they are to serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from provision.domain.deployment import ModelServer
from provision.domain.flags import given
from provision.domain.hardware import Gpu, Nvidia, gpu_count, visible
from provision.domain.model_size import Model
from provision.domain.packages import Packages
from provision.domain.settings import ModelRole
from provision.domain.vllm import Version, version

GIB = 1024**3

# CUDA's major version to the oldest driver branch that runs programs built with any of its minor versions
# (docs.nvidia.com/deploy/cuda-compatibility, "Minor Version Compatibility", table 1).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
NEWEST_CUDA = max(OLDEST_DRIVER)

# Compute capability that vLLM's wheels need at least (vLLM's installation guide: 7.0 in that of 0.14.0,
# 7.5 in that of 0.31.0). CUDA 13 compiles for 7.5 and up only, whatever vLLM's version (NVIDIA announced
# with CUDA 12.9 and 13.0 that Volta is dropped).
LOWEST_CAPABILITY, LOWEST_SINCE_CHANGE = (7, 0), (7, 5)
CHANGED_BY_VLLM: Version = (0, 31)
CHANGED_BY_CUDA = 13

# vLLM's own default (vllm/config/cache.py, 0.32.0), a share of each GPU's whole memory.
UTILIZATION = "--gpu-memory-utilization"
DEFAULT_UTILIZATION = 0.92
# Beside the weights: activations, CUDA's context, captured graphs.
OVERHEAD = 1.2

# With these the weights in a GPU's memory are no longer those on disk.
CHANGES_SIZE = (
    "--cpu-offload-gb", "--quantization", "-q", "--dtype", "--pipeline-parallel-size", "-pp",
    "--data-parallel-size", "-dp", "--load-format", "--hf-overrides",
)  # fmt: skip
CHANGES_LENGTH = ("--hf-overrides", "--rope-scaling")


def fit_problems(
    servers: Sequence[ModelServer], brings: Packages, found: Nvidia, models: Mapping[ModelRole, Model]
) -> Iterator[str]:
    """Everything that would keep a host's servers from starting; the arguments of :func:`gpu_problems`."""
    for server in servers:
        if problem := length_problem(server, models.get(server.role)):
            yield problem
    yield from gpu_problems(servers, brings, found, models)


def length_problem(server: ModelServer, model: Model | None) -> str | None:
    """``max_model_len`` against the model's own limit."""
    settings, setting = server.settings, f"{server.role}.max_model_len"
    limit = model.limit if model else None
    allowed = settings.env.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "").lower() in ("1", "true")
    if limit is None or settings.max_model_len <= limit:
        return None
    if allowed or _any(settings.extra_args, CHANGES_LENGTH):
        return None
    return (
        f"{setting} = {settings.max_model_len}, but {_name(server)} takes {limit} tokens at most; "
        f"set {setting} to {limit} or less"
    )


def gpu_problems(
    servers: Sequence[ModelServer], brings: Packages, found: Nvidia, models: Mapping[ModelRole, Model]
) -> Iterator[str]:
    """Everything about a host's GPUs that would keep its servers from starting.

    Args:
        servers: the model servers of one host; they share packages and GPUs.
        brings: what their requirements file installs. A build without CUDA has nothing to check here.
        found: the host's GPUs. A host without nvidia-smi has nothing to check either.
        models: sizes, where they are known.
    """
    if not servers or brings.cuda is None or found == Nvidia():
        return
    file = f"serving.vllm_requirements = {servers[0].serving.vllm_requirements!r}"
    if found.error:
        yield (
            f"{file} is a build for NVIDIA GPUs, but nvidia-smi says {found.error!r}; repair or reload the "
            "driver (often a restart does), or name a build for the CPU"
        )
        return
    yield from _driver(file, brings.cuda, found)
    yield from _capability(file, brings, brings.cuda, found)
    for server in servers:
        yield from _sharing(server, found, models.get(server.role))
        yield from _memory(server, found, models.get(server.role))
    yield from _shares(servers, found)


def _driver(file: str, cuda: tuple[int, int], found: Nvidia) -> Iterator[str]:
    oldest = OLDEST_DRIVER.get(cuda[0], OLDEST_DRIVER[NEWEST_CUDA])
    # Where NVIDIA's forward compatibility package is in use an old driver comes with newer libraries.
    speaks = found.cuda is not None and found.cuda[0] >= cuda[0]
    if not found.driver or version(found.driver) >= (oldest,) or speaks:
        return
    newest = f" (CUDA {found.cuda[0]}.{found.cuda[1]})" if found.cuda else ""
    yield (
        f"{file} brings CUDA {cuda[0]}.{cuda[1]}, which needs NVIDIA's driver {oldest} or newer; here is "
        f"{found.driver}{newest}; update the driver, or name a file with an older build of vLLM"
    )


def _capability(file: str, brings: Packages, cuda: tuple[int, int], found: Nvidia) -> Iterator[str]:
    changed = cuda[0] >= CHANGED_BY_CUDA or version(brings.vllm) >= CHANGED_BY_VLLM
    lowest = LOWEST_SINCE_CHANGE if changed else LOWEST_CAPABILITY
    for gpu in found.gpus:
        if gpu.capability is not None and gpu.capability < lowest:
            yield (
                f"{file} brings vLLM {brings.vllm} for CUDA {cuda[0]}.{cuda[1]}, which needs compute "
                f"capability {lowest[0]}.{lowest[1]} or higher; {gpu} has {gpu.capability[0]}."
                f"{gpu.capability[1]}; use a newer GPU, or name a file with an older build of vLLM"
            )


def _sharing(server: ModelServer, found: Nvidia, model: Model | None) -> Iterator[str]:
    setting = f"{server.role}.tensor_parallel_size"
    wanted, indexes = gpu_count(server.settings, found), visible(server.settings, found)
    if indexes is not None and wanted > len(indexes):
        yield (
            f"{setting} = {wanted}, but the GPUs that it may use are {len(indexes)}; lower it, or let it use "
            f"more ({server.role}.env, CUDA_VISIBLE_DEVICES)"
        )
    # vLLM: "Total number of attention heads … must be divisible by tensor parallel size" (config/model.py).
    if model and model.heads and model.heads % wanted:
        fitting = max(size for size in range(1, wanted) if model.heads % size == 0)
        yield (
            f"{setting} = {wanted} does not divide the {model.heads} attention heads of {_name(server)}; "
            f"set it to {fitting}"
        )


def _memory(server: ModelServer, found: Nvidia, model: Model | None) -> Iterator[str]:
    settings, role = server.settings, server.role
    if model is None or _any(settings.extra_args, CHANGES_SIZE):
        return
    count = gpu_count(settings, found)
    cache = model.cache(settings.max_model_len)
    needed = (model.loaded * OVERHEAD + cache) / count
    share = _utilization(server)
    place = "on its GPU" if count == 1 else f"on each of {count} GPUs"
    for gpu in _used(server, found):
        if gpu.memory is None or needed <= gpu.memory * share:
            continue
        yield (
            f"{_name(server)} needs about {_gib(needed)} {place} (weights of {_gib(model.loaded)} x "
            f"{OVERHEAD}, {_gib(cache)} of cache for {role}.max_model_len = "
            f"{settings.max_model_len}); {gpu} has {_gib(gpu.memory)}, of which {UTILIZATION} {share:g} "
            f"allows {_gib(gpu.memory * share)}; raise that in {role}.extra_args, lower "
            f"{role}.max_model_len, raise {role}.tensor_parallel_size, or choose a smaller model"
        )
        return


def _shares(servers: Sequence[ModelServer], found: Nvidia) -> Iterator[str]:
    for gpu in found.gpus:
        sharing = [server for server in servers if gpu in _used(server, found)]
        total = sum(_utilization(server) for server in sharing)
        if gpu.memory is not None and len(sharing) > 1 and total > 1.001:
            roles = " and ".join(server.role for server in sharing)
            sum_of = " + ".join(f"{_utilization(server):g}" for server in sharing)
            yield (
                f"{roles} share {gpu} and take {sum_of} = {total:.2f} of its memory; give each its part in "
                f"extra_args ({UTILIZATION}), or a GPU of its own in env (CUDA_VISIBLE_DEVICES)"
            )
            return


def _used(server: ModelServer, found: Nvidia) -> list[Gpu]:
    """The GPUs that a server will sit on: the first ones that it may use."""
    indexes = (visible(server.settings, found) or [])[: gpu_count(server.settings, found)]
    return [gpu for gpu in found.gpus if gpu.index in indexes]


def _utilization(server: ModelServer) -> float:
    try:
        return float(given(server.settings.extra_args, UTILIZATION) or DEFAULT_UTILIZATION)
    except ValueError:
        return DEFAULT_UTILIZATION  # vLLM will say what is wrong with it


def _any(arguments: Sequence[str], flags: Sequence[str]) -> bool:
    return any(given(arguments, flag) is not None for flag in flags)


def _name(server: ModelServer) -> str:
    settings = server.settings
    if settings.model_path:
        return f"{server.role}.model_path = {settings.model_path!r}"
    return f"{server.role}.model = {settings.model!r}"


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
