"""The model that turns text into vectors. See chat.py for what each line means."""

embed = {
    "model": "BAAI/bge-base-zh-v1.5",
    "revision": "master",
    "model_path": None,
    "served_name": "bge-base-zh-v1.5",
    "max_model_len": 512,
    "tensor_parallel_size": 1,
    "vllm_port": 8001,
    "listen_address": "0.0.0.0",
    "listen_port": 8080,
    "endpoint": None,
    "extra_args": [],
    "env": {},
}
