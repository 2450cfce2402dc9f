"""The model that talks."""

chat = {
    # On ModelScope, and its revision (a branch, tag or commit). Another revision gets a folder of its own;
    # the old one goes when the new one has proven itself. A branch is not asked again while its folder is
    # complete; pin a commit for what must not change.
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
    # Loopback port of vLLM itself, and where its gateway listens. None is 127.0.0.1 at the end of a tunnel,
    # else every interface; and the port that the host's provider publishes, else 8080.
    "vllm_port": 8000,
    "listen_address": None,
    "listen_port": None,
    # How Dify reaches it: "direct" on a LAN; "tunnel" through ssh, so that the box publishes nothing else;
    # "public" by a port that a provider publishes, in clear text.
    "transport": "direct",
    # The URL as Dify reaches it, with /v1; None is http://<ssh_hostname>:<listen_port>/v1, or the tunnel.
    "endpoint": None,
    # The tunnel's end on Dify's host, and the box's sshd as that host reaches it where it differs from
    # ssh_hostname and ssh_port: "10.0.0.5:2222".
    "tunnel_port": 18000,
    "tunnel_address": None,
    # Qwen3 thinks aloud before it answers when this is on (vLLM before 0.14 cannot switch it off).
    "thinking": False,
    # More arguments and environment for vLLM: ["--gpu-memory-utilization", "0.8"]. In a container that may
    # use fewer processors than it shows, OMP_NUM_THREADS and the like are set; what stands here wins.
    "extra_args": [],
    "env": {},
}
