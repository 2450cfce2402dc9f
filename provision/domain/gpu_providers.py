"""What is known of providers of GPU boxes: data disk, published port, and what runs when a box starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ProviderName = Literal["gpushare", "autodl", "runpod", "vast.ai"]


@dataclass(frozen=True)
class GpuProvider:
    """Defaults for the boxes of one provider; settings that are given explicitly win.

    Attributes:
        data_dir: a folder of ours on the disk that is large, or that outlives a stop.
        listen_port: the one inside port that is published; ``None`` where the renter chooses ports.
        start_hook: the shell script that is run whenever the box starts; ``None`` where no source knows
            of one. The next run brings such a box back.
    """

    data_dir: str
    listen_port: int | None = None
    start_hook: str | None = None


PROVIDERS: Mapping[str, GpuProvider] = {
    # Disk: gpushare.com/docs/data/storage (emptied a day after power-off). Port: gpushare.com/docs, "custom
    # service". A start hook is nowhere mentioned.
    "gpushare": GpuProvider("/hy-tmp/dify-vllm", listen_port=8080),
    # Disk: autodl.com/docs/local_disk. Port: autodl.com/docs/port (6008 is the other one). Hook: not in their
    # documentation; their images run it, as several users found (one: NukumizuKazuhiko/h3-console, boot/).
    "autodl": GpuProvider("/root/autodl-tmp/dify-vllm", listen_port=6006, start_hook="/etc/autodl.sh"),
    # Disk: docs.runpod.io/pods/storage. Hook: runpod/containers, container-template/start.sh, which ends when
    # the hook fails. A stop empties everything outside the volume, the hook too: it helps where the container
    # is started again, not where it is made anew.
    "runpod": GpuProvider("/workspace/dify-vllm", start_hook="/post_start.sh"),
    # Disk: vast-ai/base-image (WORKSPACE). Hook: docs.vast.ai/documentation/instances/launch-modes, in the
    # modes ssh and jupyter; often it ends with the image's own entrypoint, which does not return.
    "vast.ai": GpuProvider("/workspace/dify-vllm", start_hook="/root/onstart.sh"),
}
