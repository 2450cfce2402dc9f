"""Is there room on a host's disks for what will be put there?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provision.domain.deployment import ModelServer
from provision.domain.packages import Packages
from provision.domain.settings import ServingSettings

GB = 1000**3

# The wheels of requirements/vllm-cuda.txt are 4.0 GB together (vLLM 0.32.0, sizes from the package index) and
# hold about twice that; the CPU build was measured.
CUDA_ENVIRONMENT = 8 * GB
OTHER_ENVIRONMENT = 5 * GB // 2


@dataclass(frozen=True)
class Space:
    """A file system: bytes that are free, and where it is mounted."""

    free: int
    mount: str


@dataclass(frozen=True)
class Need:
    """Something that will be put onto a host.

    Attributes:
        what: for people.
        path: where it will lie.
        size: bytes, as far as known: at least so much.
        begun: folders that may already hold a part of it, from a run that was killed.
    """

    what: str
    path: str
    size: int
    begun: tuple[str, ...] = ()


def environment_need(serving: ServingSettings, brings: Packages, path: str) -> Need | None:
    """What vLLM's packages will take on the data disk.

    Args:
        serving: package cache and link mode decide how often a package lies there.
        brings: CUDA's libraries are most of it.
        path: the environment's folder.
    """
    if serving.link_mode == "symlink":
        return None  # the packages stay in the cache, which may hold them already
    size = CUDA_ENVIRONMENT if brings.cuda else OTHER_ENVIRONMENT
    cache = serving.package_cache or f"{serving.data_dir}/cache/uv"
    copies = 2 if serving.link_mode == "copy" and serving.package_cache is None else 1
    return Need("vLLM's packages", path, size * copies, (path, cache))


def model_need(server: ModelServer, weights: int, copies: Iterable[str] = ()) -> Need:
    """What a download will take on the data disk: its weights at least.

    Args:
        copies: folders whose files may be linked instead. Those that cannot be take space after all; then
            the download program refuses, which knows file by file.
    """
    return Need(server.settings.model, server.model_dir, weights, (server.staging_dir, *copies))


def disk_problems(
    needs: Iterable[tuple[Need, Space | None, int]], remedy: str = "set serving.data_dir to a larger disk"
) -> Iterator[str]:
    """Compare what will come with what is free, file system by file system.

    Args:
        needs: each with the file system that it goes to and the bytes that are already there.
        remedy: what to do besides freeing some.
    """
    free: dict[str, int] = {}
    coming: dict[str, Counter[str]] = defaultdict(Counter)
    for need, space, there in needs:
        if space and need.size > there:
            free[space.mount] = space.free
            coming[space.mount][need.what] += need.size - there
    for mount, parts in coming.items():
        total = parts.total()
        if total > free[mount]:
            listed = ", ".join(f"{size / GB:.1f} GB for {what}" for what, size in parts.items())
            yield (
                f"{free[mount] / GB:.1f} GB are free on {mount}, but about {total / GB:.1f} GB are needed "
                f"({listed}); free some, or {remedy}"
            )
