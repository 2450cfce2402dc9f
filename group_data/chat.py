"""The model that talks."""

chat = {
    # On ModelScope, and its revision (a branch, tag or commit).
    "model": "Qwen/Qwen3-0.6B",
    "revision": "master",
    # An own folder, used as it is; None downloads. The notes': /mnt/d/gx/Desktop/Model/Qwen3-0___6B
    "model_path": None,
    # The name that Dify and API users see.
    "served_name": "qwen3-0.6b",
    # Tokens of prompt and answer together. The model's own 40960 does not fit small cards.
    "max_model_len": 1024,
    # GPUs that share the model: a number, or "auto" for all of the host.
    "tensor_parallel_size": 1,
    # Loopback port of vLLM itself, and where its gateway listens.
    "vllm_port": 8000,
    "listen_address": "0.0.0.0",
    "listen_port": 8080,
    # The URL as Dify reaches it, with /v1; None is http://<ssh_hostname>:<listen_port>/v1
    "endpoint": None,
    # Qwen3 thinks aloud before it answers when this is on (vLLM before 0.14 cannot switch it off).
    "thinking": False,
    # More arguments and environment for vLLM: ["--gpu-memory-utilization", "0.8"]. In a container that may
    # use fewer processors than it shows, OMP_NUM_THREADS and the like are set; what stands here wins.
    "extra_args": [],
    "env": {},
}
