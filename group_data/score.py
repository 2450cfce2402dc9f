"""The model that ranks texts by a question. See chat.py for what each line means."""

score = {
    "model": "BAAI/bge-reranker-base",
    "revision": "master",
    "model_path": None,
    "served_name": "bge-reranker-base",
    "max_model_len": 512,
    "tensor_parallel_size": 1,
    "vllm_port": 8002,
    "listen_address": None,
    "listen_port": None,
    # On a rented server: nothing is public there but ssh.
    "transport": "tunnel",
    "endpoint": None,
    "tunnel_port": 18002,
    "tunnel_address": None,
    "extra_args": [],
    "env": {},
}
