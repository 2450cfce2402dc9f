"""The argument list of ``vllm serve``, by role and installed version."""

from __future__ import annotations

import json
import re

from provision.domain.settings import ChatSettings, ModelRole, ModelSettings

Version = tuple[int, ...]

# vLLM's own history: --runner/--convert came in 0.10.1 (vllm-project/vllm#21470), --task went in
# 0.13.0 (#30397). The notes' --task embed|score are the older spelling of the same two things.
RUNNER_SINCE: Version = (0, 10, 1)
# --default-chat-template-kwargs, by which a server switches Qwen3's thinking off (#31343): the parser
# of 0.13.0 lacks it, that of 0.14.0 has it.
CHAT_KWARGS_SINCE: Version = (0, 14, 0)
NEWEST: Version = (999,)

# The processes of one server talk to each other over sockets of their own, which ask for no key. By default
# these listen on the address that the host's name stands for: in a container, that of its network (seen with
# 0.32.0: gloo's, some dozen ports). See "Security" in vLLM's documentation, and torch.distributed's for the
# names of interfaces.
AMONG_THEMSELVES = {
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
}

OLD_TASK = {"embed": "embed", "score": "score"}
CONVERT = {"embed": "embed", "score": "classify"}


def version(text: str | None) -> Version:
    """``0.32.0+cpu`` → ``(0, 32, 0)``; unknown counts as newest."""
    match = re.match(r"\d+(?:\.\d+)*", text or "")
    return tuple(int(part) for part in match[0].split(".")) if match else NEWEST


def arguments(
    role: ModelRole, settings: ModelSettings, model_dir: str, installed: str | None, gpus: int = 1
) -> list[str]:
    """Arguments after ``vllm``.

    Args:
        role: what the model is for; decides task or runner.
        settings: the role's settings.
        model_dir: the model's folder on the host.
        installed: version of vLLM on that host; ``None`` counts as newest.
        gpus: how many GPUs share the model.
    """
    have = version(installed)
    result = ["serve", model_dir]
    # The default host is every interface; only the gateway may be reached from outside.
    result += ["--host", "127.0.0.1", "--port", str(settings.vllm_port)]
    result += ["--served-model-name", settings.served_name]
    result += ["--max-model-len", str(settings.max_model_len)]
    if gpus > 1:
        result += ["--tensor-parallel-size", str(gpus)]
    if role in CONVERT:
        if have < RUNNER_SINCE:
            result += ["--task", OLD_TASK[role]]
        else:
            result += ["--runner", "pooling", "--convert", CONVERT[role]]
    if isinstance(settings, ChatSettings) and have >= CHAT_KWARGS_SINCE:
        result += ["--default-chat-template-kwargs", json.dumps({"enable_thinking": settings.thinking})]
    return [*result, *settings.extra_args]
