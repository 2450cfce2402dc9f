"""The model that turns text into vectors. See chat.py for what each line means."""

embed = {
    "model": "BAAI/bge-base-zh-v1.5",
    "revision": "master",
    "model_path": None,
    "served_name": "bge-base-zh-v1.5",
    "max_model_len": 512,
    "tensor_parallel_size": 1,
    "vllm_port": 8001,
    "listen_address": None,
    "listen_port": None,
    # On a rented server: nothing is public there but ssh.
    "transport": "tunnel",
    "endpoint": None,
    "tunnel_port": 18001,
    "tunnel_address": None,
    "extra_args": [],
    "env": {},
}
