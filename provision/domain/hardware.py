"""What a host has, as far as it decides whether a model can be served there."""

from __future__ import annotations

from dataclasses import dataclass

from provision.domain.settings import ModelSettings


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU.

    Attributes:
        memory: bytes; ``None`` where nvidia-smi does not tell or only a slice of it (MIG) is ours.
        capability: compute capability, ``None`` where an old nvidia-smi does not know the question.
    """

    index: int
    name: str
    memory: int | None
    capability: tuple[int, int] | None

    def __str__(self) -> str:
        return f"GPU {self.index} ({self.name})"


@dataclass(frozen=True)
class Nvidia:
    """The NVIDIA side of a host; as constructed without arguments: a host that has none.

    Attributes:
        driver: version of the kernel driver, such as ``580.95.05``.
        cuda: newest CUDA that the driver's libraries speak; ``None`` when nvidia-smi does not tell.
        error: what nvidia-smi said instead of listing GPUs.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] | None = None
    error: str = ""


@dataclass(frozen=True)
class Limits:
    """Processors and processes that a host, often a container, may use.

    Attributes:
        cpus: as programs count them.
        quota: processors' worth of time that the cgroup grants; ``None`` without a limit.
        pids: processes and threads that the cgroup allows; ``None`` without a limit.
    """

    cpus: int = 0
    quota: float | None = None
    pids: int | None = None


# Who starts a pool with a thread for each processor: OpenMP (torch), MKL, OpenBLAS (numpy), Rayon
# (tokenizers), torch's compiler and ninja (FlashInfer compiles kernels at start).
POOLS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS",
    "TORCHINDUCTOR_COMPILE_THREADS", "MAX_JOBS",
)  # fmt: skip

# vLLM runs several processes (API server, engine, a worker for each GPU) with several pools each. With a pool
# of a thirty-second of the allowed processes four such processes with four pools stay within the half.
PIDS_TO_A_THREAD = 32


def thread_caps(limits: Limits) -> dict[str, str]:
    """Environment that keeps thread pools within a container's limits; empty where nothing is limited.

    Rented containers show all processors of their machine, often hundreds, and allow a few of them, or about
    a thousand processes: pools sized by what is shown then crawl or die with "can't start new thread".
    """
    threads = limits.cpus
    if limits.quota is not None:
        threads = min(threads, int(limits.quota))
    if limits.pids is not None:
        threads = min(threads, limits.pids // PIDS_TO_A_THREAD)
    return {} if threads >= limits.cpus else dict.fromkeys(POOLS, str(max(threads, 1)))


def visible(settings: ModelSettings, found: Nvidia) -> list[int] | None:
    """Indexes of the GPUs that a server may use; ``None`` when its environment names them by UUID."""
    there = [gpu.index for gpu in found.gpus]
    named = settings.env.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return there
    parts = [part.strip() for part in named.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        return None
    return [int(part) for part in parts if int(part) in there]


def gpu_count(settings: ModelSettings, found: Nvidia) -> int:
    """How many GPUs share a model: the setting, with ``auto`` resolved."""
    if settings.tensor_parallel_size != "auto":
        return settings.tensor_parallel_size
    indexes = visible(settings, found)
    return max(1, len(found.gpus) if indexes is None else len(indexes))
